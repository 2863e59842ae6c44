"""What can go wrong between a check and a submission, each with the status it earns."""

from __future__ import annotations

from grader.vocabulary import Status

NOT_FINITE = "the output has NaN or infinite values"


class Fault:
    """What happened, in the candidate's terms.

    message: one or two sentences.
    traceback: the candidate's own frames, as Python prints them, or empty.
    cause: the slug of the bug that this points to.
    call: what was called, with its arguments and shapes, if that is known.
    kind, place, missing: of an import that stopped, the exception's type, the file and line at top
    level, and the package that is not there; as the worker says, which nobody need believe.
    """

    kind: str = ""
    place: tuple[str, int] | None = None
    missing: str = ""

    status: Status
    message: str
    traceback: str
    cause: str
    call: str

    def __init__(
        self, status: Status, message: str, traceback: str = "", cause: str = "crashes"
    ) -> None:
        BaseException.__init__(self, message)  # type: ignore[arg-type]  # see the subclasses
        self.status = status
        self.message = message
        self.traceback = traceback
        self.cause = cause
        self.call = ""


class CandidateError(Fault, Exception):
    """The submission raised, or gave something that is not a tensor. The worker lives on."""


class WorkerLost(Fault, BaseException):
    """The worker hung, died or broke the protocol; it has been ended.

    Not an Exception, so that Hypothesis does not repeat what costs a whole deadline each time.
    """
