"""How long a submission may take to answer: its time for one check, and what it gets once late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from grader.sandbox import wire
from grader.sandbox.client.faults import WorkerLost
from grader.sandbox.client.worker import CpuAwareDeadline, Worker

_IMPATIENT_SECONDS = 0.15  # for a class that has hung before
_STALE_SECONDS = 0.1  # so old may a reading of a worker's processor time be


class Patience:
    """The time of one submission. timeout: seconds of waiting for the answers to one check.

    hung: classes that have been late with an answer, and get little time since.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.hung: set[str] = set()
        self._left = self._allowed = timeout
        self._used_before = 0.0  # of the worker's processor, as it was read last
        self._read_at = 0.0

    def start(self, share: float, worker: Worker | None) -> None:
        """From now on there is all the time again, or a share of it."""
        self._left = self._allowed = share * self.timeout
        if time.monotonic() - self._read_at > _STALE_SECONDS:
            self.read_processor(worker)

    def read_processor(self, worker: Worker | None) -> None:
        """Count what a worker uses of its processor from now on."""
        self._used_before = worker.processor_seconds() if worker else 0.0
        self._read_at = time.monotonic()

    @contextmanager
    def waiting(self, worker: Worker, about: str) -> Iterator[wire.Deadline]:
        """An answer about a class or function is waited for within, until the deadline."""
        started = time.monotonic()
        try:
            yield self._deadline(worker, about)
        except WorkerLost as lost:
            if lost.status == "timeout":
                self.hung.add(about)
            raise
        finally:
            self._left -= time.monotonic() - started

    def _deadline(self, worker: Worker, about: str) -> wire.Deadline:
        left = max(self._left, 0.0)
        if about in self.hung:
            self.read_processor(worker)
            seconds = min(_IMPATIENT_SECONDS, left)
            return CpuAwareDeadline(seconds, worker, self._used_before, seconds)
        return CpuAwareDeadline(left, worker, self._used_before, self._allowed + _STALE_SECONDS)
