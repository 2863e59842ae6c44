"""Grading again at every save."""

from grader.watch.loop import Watch, watch
from grader.watch.page import Page

__all__ = ["Page", "Watch", "watch"]
