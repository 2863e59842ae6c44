"""Who grades: processes of this machine, or those of a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from grader.batch.process import Grader
from grader.catalogue import DEBUG
from grader.grading import Options
from grader.kit import identity
from grader.results import Report
from grader.submission import Submission, UnusableInput

_CONNECT_SECONDS = 5
_GRACE = 60.0  # seconds beyond a budget: for torch to load, and for what the grader itself computes
_LONGEST = 3600.0
_of_thread = threading.local()
_graders: list[Grader] = []


@dataclass(frozen=True)
class Workers:
    """Takes `work` to do, `width` pieces at a time."""

    executor: Executor
    width: int


def work(submission: Submission, options: Options) -> Report:
    """Grade in a process that belongs to this thread."""
    if not hasattr(_of_thread, "grader"):
        _of_thread.grader = Grader()
        _graders.append(_of_thread.grader)
    grader: Grader = _of_thread.grader
    whole = options.exercise == DEBUG  # several gradings, each with all its time
    return grader.grade(submission, options, _LONGEST if whole else options.budget + _GRACE)


@contextmanager
def local(jobs: int) -> Iterator[Workers]:
    """So many processes of this machine."""
    executor = ThreadPoolExecutor(jobs)
    try:
        yield Workers(executor, jobs)
    finally:
        while _graders:
            _graders.pop().close()
        executor.shutdown(cancel_futures=True)


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The workers of a Dask scheduler, one process for each of their threads.

    Raises UnusableInput if there is none, or it has another kit.
    """
    try:
        from dask.distributed import Client
    except ImportError:
        raise UnusableInput(
            "a cluster needs Dask: pip install 'gpt2-interview-kit[cluster]', here and on the "
            "workers"
        ) from None
    try:
        client: Any = Client(address, timeout=_CONNECT_SECONDS)  # type: ignore[no-untyped-call]  # Dask has no types
    except (OSError, ValueError) as error:
        raise UnusableInput(f"no Dask scheduler answers at {address} ({error})") from None
    with client:
        _expect_same_kit(client.run(identity))
        threads = sum(client.nthreads().values())
        # A question that was lost with its worker is asked again by Dask itself.
        executor = client.get_executor(pure=False)
        try:
            yield Workers(executor, 2 * threads)
        finally:
            executor.shutdown(wait=False)


def _expect_same_kit(found: dict[str, str]) -> None:
    if not found:
        raise UnusableInput("the Dask scheduler has no workers. Start some, with this kit.")
    others = {worker: kit for worker, kit in found.items() if kit != identity()}
    if others:
        worker, kit = next(iter(others.items()))
        raise UnusableInput(
            f"the Dask worker at {worker} has kit {kit}, and this is {identity()}. Install the "
            "same kit on all of them."
        )
