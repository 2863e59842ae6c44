"""A folder of submissions in, a table out; what is done stays done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from grader.addressing import addressed
from grader.batch import crew, lookalikes
from grader.batch.entries import Entry, entries
from grader.batch.store import Store
from grader.catalogue import EXERCISES
from grader.errors import GraderError
from grader.grading import Options, all_alike
from grader.kit import identity
from grader.report import lookalikes as form
from grader.report import table
from grader.results import Report
from grader.sandbox.client import WeakIsolationError
from grader.submission import Submission, UnusableInput

_TRIES = 2  # of what the grader itself failed at
_Text = tuple[list[Entry], Submission]  # those that have it, and what is judged


class BatchError(GraderError):
    """The batch cannot go on. The message says why; what is done is kept."""


@dataclass(frozen=True)
class Order:
    """What to grade and where the results go.

    jobs: processes on this machine; scheduler: the address of a Dask scheduler instead.
    """

    folder: Path
    out: Path
    options: Options
    jobs: int = 1
    scheduler: str | None = None

    def crew(self) -> AbstractContextManager[crew.Crew]:
        """Those who grade."""
        return crew.cluster(self.scheduler) if self.scheduler else crew.local(self.jobs)


@dataclass(frozen=True)
class Step:
    """How far a batch is: so many of all are done, `fresh` of them by this run."""

    done: int
    fresh: int
    total: int
    name: str = ""


def run(order: Order, told: Callable[[Step], object]) -> list[table.Row]:
    """Grade all that is not graded yet, and write the table. Raises BatchError.

    KeyboardInterrupt goes through; what was finished before is kept.
    """
    try:
        found = entries(order.folder, order.out)
        store = Store(order.out, order.options)
        rows = _rows(order, store, found, told)
        listed = [rows[entry.name] for entry in found]
        # Twice: looking for look-alikes takes long, and the table is there meanwhile.
        table.write(listed, _facts(store), None, order.out)
        table.write(listed, _facts(store), _alike(order, found), order.out)
    except OSError as error:
        where = error.filename or order.out
        raise BatchError(f"{where}: cannot be written or read ({error.strerror})") from error
    except (UnusableInput, WeakIsolationError) as error:
        raise BatchError(str(error)) from error
    return listed


def _rows(
    order: Order, store: Store, found: list[Entry], told: Callable[[Step], object]
) -> dict[str, table.Row]:
    """The row of each entry, from its report of now or of before."""
    exercise = EXERCISES[order.options.exercise]
    rows: dict[str, table.Row] = {}
    waiting: dict[str, list[Entry]] = {}

    def take(entry: Entry, report: dict[str, Any], fresh: int) -> None:
        rows[entry.name] = table.row(entry.name, report, store.page_of(entry.name))
        told(Step(len(rows), fresh, len(found), entry.name))

    told(Step(0, 0, len(found)))
    for entry in found:
        submission = entry.read(order.options)
        before = store.finished(entry.name, submission.sha256)
        if before is None:
            # Those with the same text are judged once: their reports differ in names only.
            waiting.setdefault(submission.sha256, []).append(entry)
        else:
            take(entry, before, 0)
    if waiting:
        with order.crew() as hands:
            texts = (
                (alike, alike[0].read(order.options).nameless(exercise.file))
                for alike in waiting.values()
            )
            fresh = itertools.count(1)
            for alike, judged, report in _judged(texts, store.options, hands):
                for entry in alike:
                    own = addressed(report, judged, entry.read(order.options))
                    take(entry, store.keep(entry.name, own), next(fresh))
    return rows


def _judged(
    texts: Iterable[_Text], options: Options, hands: crew.Crew
) -> Iterator[tuple[list[Entry], Submission, Report]]:
    """Each text with its report, as they come. What the grader failed at is tried once more."""
    source = iter(texts)
    running: dict[Future[Report], tuple[_Text, int]] = {}
    while True:
        for text in islice(source, hands.width - len(running)):
            running[hands.executor.submit(crew.work, text[1], options)] = text, 1
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            text, tries = running.pop(future)
            report = _report(future, text[1], options)
            if report.verdict == "internal" and tries < _TRIES:
                again = hands.executor.submit(crew.work, text[1], options)
                running[again] = text, tries + 1
            else:
                yield *text, report


def _report(future: Future[Report], submission: Submission, options: Options) -> Report:
    """What came of it. Whatever went wrong in the grader costs this one submission its row."""
    try:
        return future.result()
    except (WeakIsolationError, UnusableInput):
        raise  # these hold for all
    except Exception as error:
        message = f"the grader failed: {type(error).__name__}: {error}"
        return all_alike(submission, options, "internal", message)


def _alike(order: Order, found: list[Entry]) -> list[form.Pair] | None:
    """Pairs that look alike, with a page on them; None where the library for it is not here."""
    exercise = EXERCISES[order.options.exercise]
    texts = [lookalikes.text(entry.name, entry.read(order.options).files) for entry in found]
    try:
        pairs = lookalikes.pairs([*texts, *lookalikes.reference(exercise.file)], exercise.file)
    except ImportError:
        return None
    form.write(pairs, order.out / "lookalikes.html")
    return pairs


def _facts(store: Store) -> dict[str, Any]:
    options = store.options
    return {
        "exercise": options.exercise,
        "seed": options.seed,
        "policy": options.policy,
        "timeout": options.timeout,
        "rubric": options.rubric.digest,
        "kit": identity(),
    }
