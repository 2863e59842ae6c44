"""The trusted side's handles to things that live in a worker.

A `Server` makes workers, `Worker` holds one conversation with a deadline on every answer, and
`Subject` is a submission as the checks see it: it builds models and asks them for numbers.
"""

from grader.remote.faults import NOT_FINITE, CandidateError, Fault, GraderFault, WorkerLost
from grader.remote.isolation import (
    Isolation,
    WeakIsolationError,
    isolation_of,
    require_full,
)
from grader.remote.module import Module, View
from grader.remote.start import Server, start
from grader.remote.subject import Subject
from grader.remote.worker import GRADERS_OWN
from grader.worker.lockdown import Limits

__all__ = [
    "GRADERS_OWN",
    "NOT_FINITE",
    "CandidateError",
    "Fault",
    "GraderFault",
    "Isolation",
    "Limits",
    "Module",
    "Server",
    "Subject",
    "View",
    "WeakIsolationError",
    "WorkerLost",
    "isolation_of",
    "require_full",
    "start",
]
