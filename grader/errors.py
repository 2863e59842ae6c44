"""The root of the errors that this package raises."""

from __future__ import annotations


class GraderError(Exception):
    """Something could not be done. The message says what was expected, what was found, and what
    to do about it; it is never about the quality of a submission, of which a Report tells.
    """


class GaveWay(GraderError):
    """A grading has taken so long that others are to be done first."""


class GraderFault(GraderError):
    """The grader's own failure: never counted for or against a candidate."""
