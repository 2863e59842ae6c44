"""All exercises at once: one report over everything that was handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grader import grading
from grader.checks.catalogue import ALL, EXERCISES, Exercise
from grader.grading import Options, Progress, all_alike
from grader.remote import Server
from grader.report.model import Report
from grader.submission import MissingFile, Submission, UnusableInput

_FIRST = "gpt2"  # whose parts keep their names


def grade(path: Path, options: Options, progress: Progress, server: Server) -> Report:
    """Grade one exercise, or ALL of them. Raises UnusableInput and WeakIsolationError."""
    if options.exercise != ALL:
        return grading.grade(path, options, progress, server)
    if path.suffix == ".py":
        raise UnusableInput(f"{path}: give the folder that has the files of all exercises.")
    options = options.with_seed()
    reports: list[Report] = []
    missing: list[str] = []
    for exercise in EXERCISES.values():
        own = replace(options, exercise=exercise.name)
        try:
            reports.append(grading.grade(path, own, progress, server))
        except MissingFile:
            missing.append(exercise.file)
            reports.append(_not_there(path, exercise, own))
    if len(missing) == len(EXERCISES):
        raise UnusableInput(f"{path}: expected at least one of {', '.join(missing)}, found none.")
    return merged(path, reports)


def _not_there(path: Path, exercise: Exercise, options: Options) -> Report:
    """The report on an exercise that was not handed in."""
    nothing = Submission(str(path), str(path), exercise.file, {}, "")
    return all_alike(nothing, options, "todo", f"there is no {exercise.file}")


def merged(path: Path, reports: Sequence[Report]) -> Report:
    """One report of those on all exercises, in order. Parts are called by their exercises too."""
    digest = hashlib.sha256("".join(report.sha256 for report in reports).encode())
    first = max(reports, key=lambda report: len(report.isolation_mechanisms))
    return replace(
        first,
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
        seconds=sum(report.seconds for report in reports),
    )


def _part(report: Report, part: str) -> str:
    return part if report.exercise == _FIRST else f"{report.exercise}: {part}"
