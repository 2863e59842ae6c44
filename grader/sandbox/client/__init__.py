"""The trusted side's handles to things that live in a worker.

A `Server` makes workers, `Worker` holds one conversation with a deadline on every answer, and
`LoadedSubmission` is a submission as the checks see it: it builds models and asks them for numbers.
"""

from grader.errors import GraderFault
from grader.sandbox.client.budget import Budget
from grader.sandbox.client.faults import NOT_FINITE, CandidateError, Fault, WorkerLost
from grader.sandbox.client.isolation import (
    Isolation,
    WeakIsolationError,
    isolation_of,
    require_full,
)
from grader.sandbox.client.module import Module, View
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import GRADERS_OWN
from grader.sandbox.server.start import Server, start
from grader.sandbox.worker.lockdown import Limits

__all__ = [
    "GRADERS_OWN",
    "NOT_FINITE",
    "Budget",
    "CandidateError",
    "Fault",
    "GraderFault",
    "Isolation",
    "Limits",
    "LoadedSubmission",
    "Module",
    "Server",
    "View",
    "WeakIsolationError",
    "WorkerLost",
    "isolation_of",
    "require_full",
    "start",
]
