"""How long one submission may take in all, however it divides the time of its checks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import count

from grader.sandbox.client.faults import WorkerLost
from grader.sandbox.worker.lockdown import PROCESSOR_SHARE


class Budget:
    """The wall time of one grading, and the processor time of all its workers.

    From its end on nothing is asked: no check that is under way then, or comes later, passes.

    seconds: of wall time; now: a clock.
    """

    def __init__(
        self, seconds: float = math.inf, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._now = now
        self._started = now()
        self._processor: dict[int, float] = {}  # of each worker
        self._numbers = count()
        self.ended = False

    def account(self) -> int:
        """A number for one more worker."""
        return next(self._numbers)

    def used(self, account: int, seconds: float) -> None:
        """Note what a worker has used of its processor until now."""
        self._processor[account] = max(seconds, self._processor.get(account, 0.0))

    @property
    def left(self) -> float:
        """Seconds of wall time, none of them once the processor time is used up."""
        if self.ended or self.at_work >= self.seconds * PROCESSOR_SHARE:
            return 0.0
        return max(self.seconds - (self._now() - self._started), 0.0)

    def give(self, seconds: float) -> None:
        """Add wall time that is none of the submission's."""
        self._started += seconds

    def end(self) -> WorkerLost:
        """Nothing is asked any more; what to raise."""
        self.ended = True
        return WorkerLost("timeout", self.words, cause="")

    @property
    def at_work(self) -> float:
        """Seconds of processor time used so far."""
        return sum([*self._processor.values()])

    @property
    def words(self) -> str:
        """What is told of whatever did not come to its end."""
        return (
            f"not tried to the end: the whole submission has {self.seconds:g} seconds, "
            f"{self.seconds * PROCESSOR_SHARE:g} of them at work, and has used them up "
            "(--budget gives it more)"
        )
