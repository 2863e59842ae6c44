"""A part that is judged beside those before it, on another processor.

It gets a worker and evidence of its own. What comes of it counts only where it is what would have
come after the others: then nothing in a report tells how many processors there were.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from grader.control import is_broken
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.running import Progress, Stopped

_SWITCH = 5e-4  # seconds: a tenth of Python's own


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def switching_soon() -> Iterator[None]:
    """Meanwhile a thread that has got its answer soon goes on, though another one computes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Ahead:
    """Runs checks in a thread while it is entered.

    evidence: on which; first: that of the checks before; run: runs them, given the progress;
    progress: is told each result at once, and again where these checks have to run once more.
    """

    def __init__(
        self,
        evidence: Evidence,
        first: Evidence,
        run: Callable[[Progress], tuple[CheckResult, ...]],
        progress: Progress,
    ) -> None:
        self.evidence = evidence
        self._first = first
        self._run = run
        self._progress = progress
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._results: tuple[CheckResult, ...] = ()
        self._open = ExitStack()

    def __enter__(self) -> Ahead:
        self._open.enter_context(switching_soon())
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()
        self._open.close()

    def before(self, result: CheckResult) -> None:
        """The progress of the checks before, of which each has to pass for these to be of use."""
        if result.status != "pass":
            self._stop.set()
        with self._one_at_a_time:
            self._progress(result)

    def _beside(self, result: CheckResult) -> None:
        if self._stop.is_set():
            raise Stopped
        with self._one_at_a_time:
            self._progress(result)

    def results(self, before: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
        """What would have come after these results; nothing where that may be something else."""
        if any(result.status != "pass" for result in before):
            return ()
        self._thread.join()
        remarks, others = self.evidence.advisories, self._first.advisories
        alike = all(others.get(id, words) == words for id, words in remarks.items())
        return self._results if alike and not any(map(is_broken, self._results)) else ()

    def _work(self) -> None:
        subject = self.evidence.subject
        try:
            if subject.follow(self._first.subject) and not self._stop.is_set():
                self._results = self._run(self._beside)
        except BaseException:  # whatever it was: they run again where that can be told
            self._results = ()
