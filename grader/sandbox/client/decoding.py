"""Reads what a worker says, of which nothing can be relied on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grader.sandbox.client.faults import Fault, WorkerLost


@contextmanager
def decoding(broken: Callable[[str], WorkerLost], what: str) -> Iterator[None]:
    """An answer is read within. Whatever goes wrong there is the answer's fault, not the grader's.

    broken: ends the worker; what: the thing that the answer tells of. Raises WorkerLost.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, Fault):  # what the answer reports, understood as it was meant
            raise
        raise broken(what) from error
