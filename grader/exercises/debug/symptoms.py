"""What is told without the sheet: for each part, yes or no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from grader.catalogue import EXERCISES
from grader.check import Check
from grader.exercises.debug.overfit import Run
from grader.exercises.debug.plants import FILES
from grader.results import CheckResult, Report
from grader.vocabulary import UNTOLD

_WHOLE = "Submission"  # the part of checks that are about the file as a whole
_SHOWN = 2  # failing checks of a part whose messages are told
_HINTS = ("Write the smallest experiment whose result you know beforehand.",)

_RUN = Check("run", "train.py", 0, "The loop overfits one short text.", _HINTS, optional=True)


def check_of(exercise: str, part: str) -> Check:
    """Whether one part does what a reference does."""
    id = f"{exercise}.{part.lower().replace(' ', '-')}"
    name = f"generate, {part.lower()}" if exercise == "generation" else part
    words = f"{name} in {FILES[exercise]} does what a reference does, on hidden weights and inputs."
    return Check(id, FILES[exercise], 1, words, _HINTS)


def symptoms(reports: Mapping[str, Report], checks: bool) -> tuple[CheckResult, ...]:
    """Yes or no for each part; with the checks that fail, but no causes, if they are wanted."""
    return tuple(
        _result(check_of(exercise, part), results, checks)
        for exercise, report in reports.items()
        for part, results in _parts(report)
    )


def _parts(report: Report) -> Iterator[tuple[str, list[CheckResult]]]:
    """All results, those without points too, by the part that they are about; of the file as a
    whole only what is wrong.
    """
    for part in dict.fromkeys(r.check.part for r in report.results):
        found = [r for r in report.results if r.check.part == part]
        if part != _WHOLE or any(r.status != "pass" for r in found):
            yield part, found


def _result(check: Check, results: list[CheckResult], checks: bool) -> CheckResult:
    wrong = [result for result in results if result.status != "pass"]
    if not wrong:
        return CheckResult(check, "pass")
    first = wrong[0]
    if not checks:
        said = "" if first.status in ("fail", "todo", "not-run") else f" ({first.status})"
        return CheckResult(check, "fail", f"{check.id}: no{said}", cause=UNTOLD)
    words = "; ".join(f"{result.id}: {result.message}" for result in wrong[:_SHOWN])
    if len(wrong) > _SHOWN:
        words += f"; and {', '.join(result.id for result in wrong[_SHOWN:])}"
    return replace(first, check=check, status="fail", message=words, cause=UNTOLD, follows="")


def run_result(made: Run) -> CheckResult:
    """Whether the run that all can see goes well. It is the submission's own word: no points."""
    if made.good:
        return CheckResult(_RUN, "pass")
    return CheckResult(_RUN, "fail", made.words, cause=UNTOLD)


def all_checks() -> dict[str, Check]:
    """The checks of a folder with a model and a training loop, by name."""
    named = [
        (exercise, part)
        for exercise in ("gpt2", "training", "generation")
        for part in dict.fromkeys(c.part for c in EXERCISES[exercise].checks().values())
        if part != _WHOLE
    ]
    found = [*(check_of(exercise, part) for exercise, part in named), _RUN]
    return {check.id: check for check in found}
