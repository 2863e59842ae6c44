"""Grading again at every save."""

from grader.watch.loop import Watch, watch

__all__ = ["Watch", "watch"]
