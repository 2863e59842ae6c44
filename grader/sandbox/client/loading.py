"""How a submission is imported: whole, or, where that stops halfway, what its classes need."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from grader.sandbox.client.budget import Budget
from grader.sandbox.client.faults import CandidateError, Fault, WorkerLost
from grader.sandbox.client.printed import Printed
from grader.sandbox.client.worker import CpuAwareDeadline, Worker
from grader.sandbox.server.start import Server
from grader.submission import Submission

_WHOLE_SECONDS = 10.0  # importing a submission
_PART_SECONDS = 5.0  # importing what its classes need
_GRACE_SECONDS = 1.0  # for the worker to say itself that its time is over
_ALL_SECONDS = 60.0  # importing it again and again, in one worker after another
_MOST_CHANGES = 12  # of what is imported and how, before it is given up


class Loading:
    """Makes workers that have imported the submission.

    fault: why it cannot be imported whole, if it cannot; failed: classes and functions that could
    not be defined, and why; missing: packages that are not installed; printed: what was printed
    until the first worker had imported it.
    """

    def __init__(
        self,
        submission: Submission,
        server: Server,
        classes: Sequence[str],
        base: str | None,
        base_classes: Sequence[str],
        stand_ins: Collection[str] = (),
        ready_made_too: bool = False,
        budget: Budget | None = None,
    ) -> None:
        self._submission = submission
        self._server = server
        self._budget = budget or Budget()
        self._classes = {
            "classes": list(classes),
            "base": base,
            "base_classes": list(base_classes),
            "replaced": sorted(stand_ins),
            "ready_made_too": ready_made_too,
        }
        self.fault: Fault | None = None
        self.failed: dict[str, Fault] = {}
        self.printed = Printed()
        self._only: dict[str, list[int]] | None = None
        self.missing: list[str] = []
        self._changes = 0
        self._left = _ALL_SECONDS
        self._settled = False

    def follow(self, other: Loading) -> None:
        """Import it as was found out to be best for the same submission."""
        self.fault, self._settled = other.fault, other._settled
        self._only, self.missing = other._only, other.missing

    def worker(self) -> tuple[Worker, dict[str, str]]:
        """A worker, and its classes with the signatures they claim.

        Raises WorkerLost or CandidateError. How it is imported is settled with the first worker.
        """
        while True:
            worker = Worker(self._server, self._budget)
            if not self._settled:
                worker.printed = self.printed
            try:
                found = self._load(worker)
            except (WorkerLost, CandidateError) as fault:
                worker.close()
                if not self._adapted(fault):
                    raise (self.fault or fault) from None  # type: ignore[misc]  # one of the two
            else:
                self._settled = True
                return worker, found

    def _load(self, worker: Worker) -> dict[str, str]:
        started = time.monotonic()
        usual = _WHOLE_SECONDS if self._only is None else _PART_SECONDS
        seconds = min(usual, self._left)
        files = {**self._submission.files, **self._submission.patched}
        worker.folder, worker.files = self._submission.folder, self._submission.files
        try:
            header, _ = worker.ask(
                "load",
                [np.frombuffer(text, dtype=np.uint8) for text in files.values()],
                deadline=CpuAwareDeadline(
                    seconds + _GRACE_SECONDS, worker, 0.0, seconds + _GRACE_SECONDS
                ),
                folder=self._submission.folder,
                files=list(files),
                main=self._submission.main,
                package=self._submission.package,
                seconds=seconds,
                only=self._only,
                missing=self.missing,
                taken={item.name: item.as_json() for item in self._submission.taken},
                **self._classes,
            )
        finally:
            self._left = max(self._left - (time.monotonic() - started), 0.0)
        found, failed = header.get("classes"), header.get("failed")
        if not isinstance(found, dict) or not isinstance(failed, list):
            raise worker.broken("no list of classes")
        self.failed = _failed(worker, failed)
        return {str(name): str(text)[:4000] for name, text in found.items()}

    def _adapted(self, fault: CandidateError | WorkerLost) -> bool:
        """Whether there is another way to import it, which is then tried."""
        self._changes += 1
        if self._settled or self._changes > _MOST_CHANGES or fault.status in ("protocol", "todo"):
            return False
        if self._budget.ended:
            return False
        if fault.missing and fault.missing not in self.missing:
            self.missing.append(fault.missing)
            return True
        if self._only is None:
            self.fault = fault
            needed = self._submission.needed
            self._only = {file: list(lines) for file, lines in needed.items()}
            return bool(needed)
        return self._leave_out(fault.place)

    def _leave_out(self, place: tuple[str, int] | None) -> bool:
        """Leave out the statement at a place that ends even a part of the import."""
        if place is None or self._only is None:
            return False
        lines = self._only.get(place[0].removeprefix(f"{self._submission.folder}/"), [])
        before = [line for line in lines if line <= place[1]]
        if before:
            lines.remove(before[-1])
        return bool(before)


def _failed(worker: Worker, listing: list[Any]) -> dict[str, Fault]:
    """What each class that is not defined failed with. Raises WorkerLost."""
    found: dict[str, Fault] = {}
    for entry in listing[:1000]:
        if not isinstance(entry, dict) or not isinstance(entry.get("names"), list):
            raise worker.broken("no list of what failed")
        try:
            worker.raise_reported({"error": entry.get("error")})
        except CandidateError as fault:
            found |= {str(name)[:200]: fault for name in entry["names"]}
    return found
