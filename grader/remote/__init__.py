"""The trusted side's handles to things that live in a worker.

`ForkServer` makes workers, `Worker` holds one conversation with a deadline on every answer, and
`Subject` is a submission as the checks see it: it builds models and asks them for numbers.
"""

from grader.remote.faults import CandidateError, Fault, GraderFault, WorkerLost
from grader.remote.module import Module, View
from grader.remote.server import ForkServer
from grader.remote.subject import Subject

__all__ = [
    "CandidateError",
    "Fault",
    "ForkServer",
    "GraderFault",
    "Module",
    "Subject",
    "View",
    "WorkerLost",
]
