"""What has to hold of each plant, and of several that are drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from grader.exercises.debug.draw import Puzzle, Wanted, draw
from grader.exercises.debug.fixes import Fixed, outcome
from grader.exercises.debug.judge import graded
from grader.exercises.debug.plants import FILES, Text, planted, plants, repaired, texts
from grader.exercises.debug.sheet import Sheet, made_of
from grader.grading import Options
from grader.results import Report
from grader.sandbox.client import Server

SEED = 1


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


@cache
def _graded(exercise: str, text: str, server: Server) -> Report:
    """On one file: what lies beside it makes no difference. A draw comes back to the same texts."""
    files = {FILES[exercise]: text}
    return graded(exercise, files, Options(exercise, SEED), server)


def report_on(exercise: str, files: dict[str, str], server: Server) -> Report:
    return _graded(exercise, files[FILES[exercise]], server)


def first_name(pair: Pair, server: Server) -> str:
    """The first diagnosis of a text with one plant; "" if it has none, "pass" if it passes."""
    report = report_on(pair.exercise, {pair.text.file: pair.planted}, server)
    if report.verdict != "fail":
        return report.verdict
    return report.diagnoses[0].cause if report.diagnoses else ""


def faults_of_draw(seed: int, wanted: Wanted, server: Server) -> list[str]:
    """What is wrong with a draw: a fate that is told wrongly, or a verdict."""
    puzzle = draw(wanted, seed)
    sheet = made_of(puzzle, "")
    faults = []
    for number in range(-1, len(sheet.plants) + 1):
        fixed = [n for n in range(len(sheet.plants)) if number in (n, len(sheet.plants))]
        files = _with_fixed(puzzle, sheet, fixed)
        told = [
            one for exercise in wanted.exercises for one in _told(exercise, sheet, files, server)
        ]
        found = [sheet.plants.index(one.planted) for one in told if one.fate == "fixed"]
        if sorted(found) != fixed:
            names = [sheet.plants[n].plant.slug for n in fixed]
            faults.append(
                f"seed {seed}: fixed {names}, told {[(t.planted.plant.slug, t.fate) for t in told]}"
            )
    return faults


def _with_fixed(puzzle: Puzzle, sheet: Sheet, fixed: list[int]) -> dict[str, str]:
    files = dict(puzzle.planted)
    for n in fixed:
        one = sheet.plants[n]
        files[one.plant.file] = repaired(files[one.plant.file], one.hunks)
    return files


def _told(exercise: str, sheet: Sheet, files: dict[str, str], server: Server) -> tuple[Fixed, ...]:
    report = report_on(exercise, files, server)
    whole = files[FILES[exercise]] == sheet.clean[FILES[exercise]]
    assert whole or report.verdict == "fail" or not sheet.of(exercise), "a bug passes"

    def regrade(text: str) -> Report:
        return report_on(exercise, {**files, FILES[exercise]: text}, server)

    return outcome(exercise, sheet, files, report, regrade).plants
