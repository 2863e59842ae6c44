"""Grading again at every save."""

from grader.watch.loop import watch

__all__ = ["watch"]
