"""What has become of each plant in a text that came back."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grader.catalogue import EXERCISES
from grader.exercises.debug.plants import FILES, repaired, restored, standing
from grader.exercises.debug.sheet import Planted, Sheet
from grader.results import Report

Fate = Literal["fixed", "not fixed", "changed"]
_ALIKE = 0.5  # share of its lines that a definition keeps, or else it counts as rewritten


@dataclass(frozen=True)
class Fixed:
    """What became of a plant. into: the names of the bugs that took its place, if it changed."""

    planted: Planted
    fate: Fate
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of all plants of an exercise, and which bugs are new in it."""

    plants: tuple[Fixed, ...]
    new: tuple[str, ...]


def outcome(
    exercise: str,
    sheet: Sheet,
    texts: Mapping[str, str],
    report: Report,
    grade_text: Callable[[str], Report],
) -> Outcome:
    """Tell the fates of an exercise's plants.

    report: on the texts as they came; grade_text: gives that on another text in place of the
    exercise's file. What still stands as it was planted is wrong by itself: it is taken back, and
    the grader says what is wrong with the rest.
    """
    plants, text = sheet.of(exercise), texts[FILES[exercise]]
    if report.verdict == "pass":
        return Outcome(tuple(Fixed(one, "fixed") for one in plants), ())
    stand = [one for one in plants if standing(text, one.hunks)]
    rest = report
    if stand:
        others = [one for one in sheet.plants if one.plant.file == FILES[exercise]]
        mended = repaired(
            text, [h for one in others if standing(text, one.hunks) for h in one.hunks]
        )
        rest = report if mended == text else grade_text(mended)
    fates = [_fate(one, one in stand, text, sheet, rest) for one in plants]
    return Outcome(tuple(fates), _new(exercise, fates, rest))


def _fate(one: Planted, stands: bool, text: str, sheet: Sheet, rest: Report) -> Fixed:
    if stands:
        return Fixed(one, "not fixed")
    if rest.verdict == "pass" or restored(text, one.hunks):
        return Fixed(one, "fixed")
    named = _causes(rest)
    if one.plant.slug in named:
        return Fixed(one, "not fixed")
    if not _wrong_where_it_was(one, sheet, rest):
        return Fixed(one, "fixed")
    return Fixed(one, "changed", named or ("a bug without a name",))


def _causes(report: Report) -> tuple[str, ...]:
    return tuple(dict.fromkeys(d.cause for d in report.diagnoses))


def _new(exercise: str, fates: Sequence[Fixed], rest: Report) -> tuple[str, ...]:
    """Bugs that are there and of which no plant accounts for any."""
    if rest.verdict == "pass":
        return ()
    known = {name for fixed in fates for name in fixed.into}
    known |= {f.planted.plant.slug for f in fates if f.fate == "not fixed"}
    causes = _causes(rest)
    if any(fixed.fate == "changed" for fixed in fates) or set(causes) & known:
        return tuple(name for name in causes if name not in known)
    return causes or (f"{rest.problems[0][0].check.id} fails" if rest.problems else exercise,)


def _wrong_where_it_was(one: Planted, sheet: Sheet, rest: Report) -> bool:
    """Whether something fails in the part of the exercise that a plant was planted in."""
    exercise = EXERCISES[one.plant.exercise]
    modules = exercise.judged_in.get(definition(sheet.planted[one.plant.file], one.line), ())
    failing = {result.id for result in rest.results if result.failed}
    checks = exercise.checks().items()
    return not modules or any(
        check.id in failing for key, check in checks if key.split("::")[0] in modules
    )


def definition(text: str, line: int) -> str:
    """The class or function at the top of a text that holds a line; "" if none does."""
    return next((name for name, lines in _definitions(text).items() if line in lines), "")


def _definitions(text: str) -> dict[str, range]:
    """The lines, from 1, of each class and function at the top of a text; none if it is broken."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {
        node.name: range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in body
        if isinstance(node, kinds)
    }


def lines_changed(before: str, after: str) -> int:
    """How many lines went or came; one that was changed counts once."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), False)
    changes = (code for code in matcher.get_opcodes() if code[0] != "equal")
    return sum(max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in changes)


def rewritten(before: str, after: str) -> tuple[str, ...]:
    """Classes and functions of which less than half of the lines were kept."""
    was, now = before.splitlines(), after.splitlines()
    places = _definitions(after)
    found = []
    for name, lines in _definitions(before).items():
        own = was[lines.start - 1 : lines.stop - 1]
        there = places.get(name, range(1, 1))
        other = now[there.start - 1 : there.stop - 1]
        matcher = difflib.SequenceMatcher(None, own, other, False)
        kept = sum(block.size for block in matcher.get_matching_blocks())
        if other and kept < _ALIKE * len(own):
            found.append(name)
    return tuple(found)
