"""A folder of submissions in, a table out; what is done stays done."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.addressing import addressed
from grader.batch import executors, lookalikes
from grader.batch.attempts import Take, assigned, people
from grader.batch.entries import Arrived, Entry, entries
from grader.batch.process import GraderLate
from grader.batch.roster import Roster
from grader.batch.store import Store, letter_of, page_of
from grader.catalogue import GRADED
from grader.errors import GaveWay, GraderError
from grader.grading import Options, uniform_report
from grader.kit import identity
from grader.report import for_candidate, table, table_page
from grader.report import lookalikes as form
from grader.results import Report
from grader.sandbox.client import WeakIsolationError
from grader.submission import Submission, UnusableInput

_PAUSE = 2.0  # seconds between two tables while a batch goes on
_SHARE = 30  # and so many times as long as writing one takes
_TRIES = 2  # of what the grader itself failed at
_PATIENCE = 60.0  # seconds, after which others are graded first
_Text = tuple[list[Entry], Submission]  # those that have it, and what is judged


class BatchError(GraderError):
    """The batch cannot go on. The message says why; what is done is kept."""


@dataclass(frozen=True)
class BatchConfig:
    """What to grade and where the results go.

    jobs: processes on this machine; scheduler: the address of a Dask scheduler instead; roster: of
    whom something is expected; take: which of somebody's attempts counts; letters:
    whether to write what can be sent to candidates.
    """

    folder: Path
    out: Path
    options: Options
    jobs: int = 1
    scheduler: str | None = None
    roster: Roster | None = None
    take: Take = "last"
    letters: bool = False

    def workers(self) -> AbstractContextManager[executors.Workers]:
        """Those who grade."""
        return executors.cluster(self.scheduler) if self.scheduler else executors.local(self.jobs)


@dataclass(frozen=True)
class Step:
    """How far a batch is: so many of all are done, `fresh` of them by this run.

    name: the hand-in that this is about; postponed: whether it was moved to the end of the queue.
    """

    done: int
    fresh: int
    total: int
    name: str = ""
    postponed: bool = False


@dataclass(frozen=True)
class Done:
    """What came out of a batch. postponed: names of what was moved to the end of the queue."""

    rows: list[table.Row]
    arrivals: table.Arrivals
    postponed: tuple[str, ...] = ()


def run(order: BatchConfig, told: Callable[[Step], object]) -> Done:
    """Grade all that is not graded yet, and write the table. Raises BatchError.

    KeyboardInterrupt goes through; what was finished before is kept.
    """
    try:
        arrived = entries(order.folder, order.out, order.roster)
        store = Store(order.out, order.options)
        writer = _TableWriter(order, store, arrived)
        postponed: list[str] = []

        def tell(step: Step) -> None:
            postponed.extend([step.name] if step.postponed else ())
            told(step)

        rows = _rows(order, store, list(arrived.entries), writer, tell)
        # Twice: looking for look-alikes takes long, and the table is there meanwhile.
        listed = writer.write(rows, None)
        writer.write(rows, _alike(order, arrived.entries))
    except OSError as error:
        where = error.filename or order.out
        raise BatchError(f"{where}: cannot be written or read ({error.strerror})") from error
    except (UnusableInput, WeakIsolationError) as error:
        raise BatchError(str(error)) from error
    return Done(listed, writer.arrivals(0), tuple(postponed))


@dataclass
class _TableWriter:
    """Writes the table of what is graded so far."""

    order: BatchConfig
    store: Store
    arrived: Arrived
    next: float = 0.0  # when to write it again

    def arrivals(self, waiting: int) -> table.Arrivals:
        """What is told beside the rows."""
        known = people(self.arrived.entries, self.order.roster)
        return table.Arrivals(known, self.arrived.passed_over, waiting)

    def write(
        self, rows: Mapping[str, table.Row], alike: Sequence[form.Group] | None
    ) -> list[table.Row]:
        """Write it, and give it. Raises OSError."""
        listed = assigned(self.arrived.entries, rows, self.order.take)
        waiting = self.arrivals(len(self.arrived.entries) - len(rows))
        table_page.write(listed, facts_of(self.store.options), alike, self.order.out, waiting)
        return listed

    def grown(self, rows: Mapping[str, table.Row]) -> None:
        """Write it unless that was done just before. Raises OSError."""
        started = time.monotonic()
        if started >= self.next and len(rows) < len(self.arrived.entries):
            self.write(rows, None)
            ended = time.monotonic()
            self.next = ended + max(_PAUSE, _SHARE * (ended - started))


def _rows(
    order: BatchConfig,
    store: Store,
    found: list[Entry],
    writer: _TableWriter,
    told: Callable[[Step], object],
) -> dict[str, table.Row]:
    """The row of each entry, from its report of now or of before."""
    exercise = GRADED[order.options.exercise]
    rows: dict[str, table.Row] = {}
    waiting: dict[str, list[Entry]] = {}

    def take(entry: Entry, report: dict[str, Any], fresh: int) -> None:
        rows[entry.name] = table.row(entry.name, report, page_of(store.out, entry.name))
        if order.letters:
            for_candidate.write(report, letter_of(store.out / rows[entry.name].page))
        writer.grown(rows)
        told(Step(len(rows), fresh, len(found), entry.name))

    told(Step(0, 0, len(found)))
    for entry in found:
        submission = entry.read(order.options)
        before = store.finished(entry.name, submission.sha256)
        if before is None:
            # Those with the same text are judged once: their reports differ in names only.
            waiting.setdefault(_text(submission.anonymized(exercise.file)), []).append(entry)
        else:
            take(entry, before, 0)
    writer.grown(rows)
    if waiting:
        with order.workers() as hands:
            texts = (
                (alike, alike[0].read(order.options).anonymized(exercise.file))
                for alike in waiting.values()
            )
            fresh = 0

            def postpone(text: _Text) -> None:
                for entry in text[0]:
                    told(Step(len(rows), fresh, len(found), entry.name, postponed=True))

            queue = _Queue(texts, len(waiting), store.options, hands, postpone)
            for alike, judged, report in queue.judged():
                for entry in alike:
                    fresh += 1
                    own = addressed(report, judged, entry.read(order.options))
                    take(entry, store.keep(entry.name, own), fresh)
    return rows


@dataclass
class _Queue:
    """Texts on their way to those who grade.

    count: of the texts; postpone: is told of one that has taken so long that others go first.
    """

    texts: Iterator[_Text]
    count: int
    options: Options
    hands: executors.Workers
    postpone: Callable[[_Text], None]
    _begun: int = 0
    _later: deque[_Text] = field(default_factory=deque)
    _running: dict[Future[Report], tuple[_Text, int]] = field(default_factory=dict)

    def judged(self) -> Iterator[tuple[list[Entry], Submission, Report]]:
        """Each text with its report, as they come. What the grader failed at is tried once more."""
        while True:
            while len(self._running) < self.hands.width and self._submit():
                pass
            if not self._running:
                return
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                text, tries = self._running.pop(future)
                if not future.cancelled() and isinstance(future.exception(), GaveWay):
                    self._later.append(text)
                    self.postpone(text)
                    continue
                report = _report(future, text[1], self.options)
                if report.verdict == "internal" and tries < _TRIES:
                    self._start(text, self.options, tries + 1)
                else:
                    yield *text, report

    def _submit(self) -> bool:
        """Begin with the next one, if there is one."""
        text = next(self.texts, None)
        if text is not None:
            self._begun += 1
            others = self._begun < self.count and self.count > self.hands.width
            patience = min(_PATIENCE, self.options.budget) if others else 0.0
            self._start(text, replace(self.options, patience=patience), 1)
        elif self._later:
            self._start(self._later.popleft(), self.options, 1)
        else:
            return False
        return True

    def _start(self, text: _Text, options: Options, tries: int) -> None:
        future = self.hands.executor.submit(executors.work, text[1], options)
        self._running[future] = text, tries


def _text(judged: Submission) -> str:
    """What is alike for hand-ins that are judged once: everything that is read of them."""
    known = replace(judged, path="", files=dict(sorted(judged.files.items())), notes=(), cells=())
    return hashlib.sha256(repr(known).encode("utf-8", "surrogatepass")).hexdigest()


def _report(future: Future[Report], submission: Submission, options: Options) -> Report:
    """What came of it. Whatever went wrong in the grader costs this one submission its row."""
    try:
        return future.result()
    except (WeakIsolationError, UnusableInput):
        raise  # these hold for all
    except GraderLate as late:
        return uniform_report(submission, options, "timeout", f"grading it was {late}")
    except Exception as error:
        message = f"the grader failed: {type(error).__name__}: {error}"
        return uniform_report(submission, options, "internal", message)


def _alike(order: BatchConfig, found: Sequence[Entry]) -> list[form.Group] | None:
    """Those that look alike, with a page on them; None where the library for it is not here."""
    exercise = GRADED[order.options.exercise]
    texts = [lookalikes.text(entry.name, entry.read(order.options).files) for entry in found]
    try:
        alike = lookalikes.groups([*texts, *lookalikes.reference(exercise.file)], exercise.file)
    except ImportError:
        return None
    form.write(alike, order.out / "lookalikes.html")
    return alike


def facts_of(options: Options) -> dict[str, Any]:
    """How all of a batch are graded."""
    return {
        "exercise": options.exercise,
        "seed": options.seed,
        "policy": options.policy,
        "timeout": options.timeout,
        "budget": options.budget,
        "rubric": options.points_by,
        "kit": identity(),
        **({"twists": ", ".join(options.twists)} if options.twists else {}),
    }
