"""What has to hold of each plant, and of several that are drawn together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from grader.catalogue import EXERCISES
from grader.exercises.debug.draw import Puzzle, Wanted, draw
from grader.exercises.debug.fixes import Fixed, definition, outcome
from grader.exercises.debug.judge import graded
from grader.exercises.debug.plants import (
    FILES,
    Hunk,
    Text,
    planted,
    plants,
    repaired,
    standing,
    texts,
)
from grader.exercises.debug.sheet import Planted, Sheet, made_of
from grader.grading import Options
from grader.results import CheckResult, Report
from grader.running import Stopped
from grader.sandbox.client import Server

SEED = 1
# Other work may go first.
_PATIENT = Options(seed=SEED, timeout=120.0, budget=7200.0)


@dataclass(frozen=True)
class Pair:
    """A plant in a text."""

    text: Text
    slug: str

    @property
    def exercise(self) -> str:
        return plants()[self.slug].exercise

    @property
    def planted(self) -> str:
        return planted(self.text.clean, self.text.hunks(self.slug))

    @property
    def key(self) -> str:
        """Another one for another edit."""
        return f"{self} {_digest(self.planted)}"

    def __str__(self) -> str:
        return f"{self.text.file} {self.text.style}: {self.slug}"


def all_texts() -> list[Text]:
    return [text for file in dict.fromkeys(FILES.values()) for text in texts(file)]


def pairs() -> list[Pair]:
    """Every plant in every text, those with other plants first."""
    found = [Pair(text, slug) for text in all_texts() for slug in text.edits]
    seen: dict[str, int] = {}
    turns = {}
    for pair in found:
        turns[pair] = seen.get(pair.slug, 0)
        seen[pair.slug] = turns[pair] + 1
    return sorted(found, key=lambda pair: turns[pair])


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


@cache
def _graded(exercise: str, text: str, server: Server, only: str = "") -> Report:
    """On one file: what lies beside it makes no difference. A draw comes back to the same texts."""
    files = {FILES[exercise]: text}
    return graded(exercise, files, replace(_PATIENT, exercise=exercise, only=only), server)


def report_on(exercise: str, files: dict[str, str], server: Server) -> Report:
    return _graded(exercise, files[FILES[exercise]], server)


def first_name(pair: Pair, server: Server, whole: bool = True) -> str:
    """The first diagnosis of a text with one plant; "" if it has none, "pass" if it passes.

    whole: or else by the class or function alone that holds the plant.
    """
    only = "" if whole else _holder(pair.exercise, pair.text.clean, pair.text.hunks(pair.slug)[0])
    report = _graded(pair.exercise, pair.planted, server, only)
    if report.verdict != "fail":
        return report.verdict
    return report.diagnoses[0].cause if report.diagnoses else ""


def _holder(exercise: str, clean: str, hunk: Hunk) -> str:
    """The class or function that holds a place, if it can be judged alone; else ""."""
    name = definition(clean, hunk.start + 1)
    return name if name in EXERCISES[exercise].judged_in else ""


def draw_key(seed: int, wanted: Wanted) -> str:
    """Another one for other texts or other plants."""
    puzzle = draw(wanted, seed)
    slugs = ",".join(one.plant.slug for one in puzzle.sets)
    return f"draw {seed} {slugs} {_digest(*puzzle.planted.values())}"


def faults_of_draw(seed: int, wanted: Wanted, server: Server) -> list[str]:
    """What is wrong with a draw: a fate that is told wrongly, or a text that passes too early."""
    puzzle = draw(wanted, seed)
    sheet = made_of(puzzle, "")
    faults = []
    for number in range(-1, len(sheet.plants) + 1):
        fixed = [n for n in range(len(sheet.plants)) if number in (n, len(sheet.plants))]
        files = _with_fixed(puzzle, sheet, fixed)
        names = [sheet.plants[n].plant.slug for n in fixed]
        told: list[Fixed] = []
        for exercise in wanted.exercises:
            report = _as_told(exercise, puzzle, sheet, files, server)
            right = files[FILES[exercise]] == sheet.clean[FILES[exercise]]
            if (report.verdict == "pass") != (right or not sheet.of(exercise)):
                faults.append(f"seed {seed}: fixed {names}, {exercise} gives {report.verdict}")
            told += _told(exercise, sheet, files, report, server)
        found = [sheet.plants.index(one.planted) for one in told if one.fate == "fixed"]
        if sorted(found) != fixed:
            fates = [(t.planted.plant.slug, t.fate) for t in told]
            faults.append(f"seed {seed}: fixed {names}, told {fates}")
    return faults


def _with_fixed(puzzle: Puzzle, sheet: Sheet, fixed: list[int]) -> dict[str, str]:
    files = dict(puzzle.planted)
    for n in fixed:
        one = sheet.plants[n]
        files[one.plant.file] = repaired(files[one.plant.file], one.hunks)
    return files


def _as_told(
    exercise: str, puzzle: Puzzle, sheet: Sheet, files: dict[str, str], server: Server
) -> Report:
    """The report on a text; of one with plants in it no more than its first failure.

    No more is read of it where all that stands is as it was planted: `outcome` grades again
    without that.
    """
    text = files[FILES[exercise]]
    stand = [one for one in sheet.of(exercise) if standing(text, one.hunks)]
    whole = report_on(exercise, {**files, **_clean(puzzle)}, server)
    if not stand:
        return report_on(exercise, files, server)
    failure = _first_failure(exercise, text, _lowest(exercise, puzzle, stand), server)
    return whole if failure is None else replace(whole, results=(failure,))


def _clean(puzzle: Puzzle) -> dict[str, str]:
    return {file: text.clean for file, text in puzzle.texts.items()}


def _lowest(exercise: str, puzzle: Puzzle, stand: Sequence[Planted]) -> str:
    """Of the classes and functions that hold plants the one that stands on no other of them."""
    clean = puzzle.texts[FILES[exercise]].clean
    holders = {_holder(exercise, clean, one.hunks[0]) for one in stand}
    return next((name for name in EXERCISES[exercise].names if name in holders), "")


def _first_failure(exercise: str, text: str, only: str, server: Server) -> CheckResult | None:
    """The first check that fails, of the class or function alone, or else of all."""
    found: list[CheckResult] = []

    def look(result: CheckResult) -> None:
        if result.failed and not result.check.optional and result.status != "internal":
            found.append(result)
            raise Stopped

    for name in dict.fromkeys((only, "")):
        try:
            graded(
                exercise,
                {FILES[exercise]: text},
                replace(_PATIENT, exercise=exercise, only=name),
                server,
                look,
            )
        except Stopped:
            return found[0]
    return None


def _told(
    exercise: str, sheet: Sheet, files: dict[str, str], report: Report, server: Server
) -> tuple[Fixed, ...]:
    def regrade(text: str) -> Report:
        return report_on(exercise, {**files, FILES[exercise]: text}, server)

    return outcome(exercise, sheet, files, report, regrade).plants
