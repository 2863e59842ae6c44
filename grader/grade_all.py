"""All exercises at once: one report over everything that was handed in."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from grader import grading
from grader.ahead import switching_soon
from grader.catalogue import ALL, EXERCISES, Exercise
from grader.grading import Options, grade_submission, uniform_report
from grader.results import CheckResult, Report
from grader.running import Progress, Stopped
from grader.sandbox.client import Server
from grader.submission import MissingFile, Submission, UnusableInput, unusable

_Task = tuple[Submission, Options]
_FIRST = "gpt2"  # whose parts keep their names


def grade(path: Path, options: Options, progress: Progress, server: Server) -> Report:
    """Grade one exercise, or ALL of them. Raises UnusableInput and WeakIsolationError."""
    if options.exercise != ALL:
        return grading.grade(path, options, progress, server)
    if path.suffix == ".py":
        raise UnusableInput(f"{path}: give the folder that has the files of all exercises.")
    started = time.monotonic()
    options = options.with_seed()
    waiting: deque[_Task] = deque()
    reports: dict[str, Report] = {}
    for exercise in EXERCISES.values():
        own = replace(options, exercise=exercise.name, jobs=1)  # two exercises are two jobs
        try:
            waiting.append((options.read(path, exercise.name), own))
        except MissingFile:
            reports[exercise.name] = _not_there(path, exercise, own)
        except UnusableInput as error:
            waiting.append((unusable(path, exercise.file, error), own))
    if not waiting:
        files = ", ".join(exercise.file for exercise in EXERCISES.values())
        raise UnusableInput(f"{path}: expected at least one of {files}, found none.")

    def work(take: Callable[[], _Task], progress: Progress) -> None:
        while (taken := _taken(take)) is not None:
            reports[taken[1].exercise] = grade_submission(*taken, progress, server)

    with _beside(waiting, work, options.jobs):
        work(waiting.popleft, progress)
    work(waiting.popleft, progress)  # at which the thread beside failed
    seconds = time.monotonic() - started
    return replace(merged(path, [reports[name] for name in EXERCISES]), seconds=seconds)


def _taken(take: Callable[[], _Task]) -> _Task | None:
    """What is taken, if something is left."""
    try:
        return take()
    except IndexError:
        return None


@contextmanager
def _beside(
    waiting: deque[_Task], work: Callable[[Callable[[], _Task], Progress], None], jobs: int
) -> Iterator[None]:
    """While this lasts, and until all is done, a second thread takes from the end as well.

    It leaves in `waiting` what it failed at.
    """
    if jobs == 1 or len(waiting) == 1:
        yield
        return
    stop = threading.Event()
    begun: list[_Task] = []

    def take() -> _Task:
        begun[:] = [waiting.pop()]
        return begun[0]

    def progress(result: CheckResult) -> None:
        if stop.is_set():
            raise Stopped

    def help_out() -> None:
        try:
            work(take, progress)
        except BaseException:  # whatever it was: it is graded again where that can be told
            waiting.extend(begun)

    thread = threading.Thread(target=help_out)
    with switching_soon():
        thread.start()
        try:
            yield
        except BaseException:
            stop.set()
            raise
        finally:
            thread.join()


def _not_there(path: Path, exercise: Exercise, options: Options) -> Report:
    """The report on an exercise that was not handed in."""
    nothing = Submission(str(path), str(path), exercise.file, {}, "")
    return uniform_report(nothing, options, "todo", f"there is no {exercise.file}")


def merged(path: Path, reports: Sequence[Report]) -> Report:
    """One report of those on all exercises, in order. Parts are called by their exercises too."""
    digest = hashlib.sha256("".join(report.sha256 for report in reports).encode())
    first = max(reports, key=lambda report: len(report.isolation_mechanisms))
    unread = [report.unreadable for report in reports if report.ungraded]
    return replace(
        first,
        ungraded=bool(unread),
        unreadable="\n".join(unread) if len(unread) == len(reports) else "",
        exercise=ALL,
        path=str(path),
        file=next((r.file for r in reports if r.untouched), reports[0].file),
        sha256=digest.hexdigest(),
        files={name: text for report in reports for name, text in report.files.items()},
        marks=tuple(dict.fromkeys(mark for report in reports for mark in report.marks)),
        results=tuple(
            replace(r, check=replace(r.check, part=_part(report, r.check.part)))
            for report in reports
            for r in report.results
        ),
        diagnoses=tuple(
            replace(d, part=_part(report, d.part)) for report in reports for d in report.diagnoses
        ),
        stand_ins={
            _part(report, part): names
            for report in reports
            for part, names in report.stand_ins.items()
        },
        judged_by={
            _part(report, part): word
            for report in reports
            for part, word in report.judged_by.items()
        },
        advisories={
            id if report.exercise == _FIRST else f"{report.exercise}.{id}": message
            for report in reports
            for id, message in report.advisories.items()
        },
    )


def _part(report: Report, part: str) -> str:
    return part if report.exercise == _FIRST else f"{report.exercise}: {part}"
