"""What has become of each plant in a text that came back."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from grader.exercises.debug.plants import FILES, Hunk, planted, repaired, restored, standing
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
    exercise's file.
    """
    if report.verdict == "pass":
        return Outcome(tuple(Fixed(one, "fixed") for one in sheet.of(exercise)), ())
    trial = _Trial(exercise, sheet, texts[FILES[exercise]], cache(grade_text))
    return Outcome(tuple(map(trial.fate, sheet.of(exercise))), trial.new())


@dataclass(frozen=True)
class _Change:
    """Lines of the clean text, from start to before end, and what is in their place."""

    start: int
    end: int
    new: tuple[str, ...]

    def touches(self, hunk: Hunk) -> bool:
        """Whether it is about the same lines as a plant, or between the same two."""
        first, last = hunk.start, hunk.start + len(hunk.old)
        between = self.start == self.end or first == last
        common = min(self.end, last) - max(self.start, first)
        return common >= 0 if between else common > 0


class _Trial:
    """Finds out what of a text is wrong, by grading the clean one with some of its changes.

    What still stands as it was planted is wrong by itself, and is taken back in all that follows.
    """

    def __init__(
        self, exercise: str, sheet: Sheet, text: str, grade_text: Callable[[str], Report]
    ) -> None:
        file = FILES[exercise]
        there = [one for one in sheet.plants if one.plant.file == file]
        self._own, self._grade = sheet.of(exercise), grade_text
        self._clean, self._text = sheet.clean[file], text
        self._stand = [one for one in there if standing(text, one.hunks)]
        self._rest = repaired(text, [hunk for one in self._stand for hunk in one.hunks])
        changes = _changes(self._clean, self._rest)
        hunks = [hunk for one in there if one not in self._stand for hunk in one.hunks]
        self._changes = changes
        self._others = [c for c in changes if not any(c.touches(hunk) for hunk in hunks)]

    @property
    def _rest_is_right(self) -> bool:
        return self._rest == self._clean or self._grade(self._rest).verdict == "pass"

    def fate(self, one: Planted) -> Fixed:
        """What became of a plant."""
        if one in self._stand:
            return Fixed(one, "fixed" if self._is_made_up_for(one) else "not fixed")
        if restored(self._text, one.hunks) or self._rest_is_right:
            return Fixed(one, "fixed")
        named = self._causes_in_place_of(one)
        if one.plant.slug in named:
            return Fixed(one, "not fixed")
        into = tuple(name for name in named if name not in {o.plant.slug for o in self._own})
        return Fixed(one, "changed", into) if into else Fixed(one, "fixed")

    def new(self) -> tuple[str, ...]:
        """Bugs that are there and that no plant accounts for."""
        if not self._others or self._rest_is_right:
            return ()
        made_up = [one for one in self._own if one in self._stand and self._is_made_up_for(one)]
        text = _with(self._clean, self._others)
        return self._causes(planted(text, [hunk for one in made_up for hunk in one.hunks]))

    def _is_made_up_for(self, one: Planted) -> bool:
        """Whether changes elsewhere put right what stands as it was planted."""
        if not self._others:
            return False
        try:
            text = planted(_with(self._clean, self._others), one.hunks)
        except ValueError:
            return False
        return self._grade(text).verdict == "pass"

    def _causes_in_place_of(self, one: Planted) -> tuple[str, ...]:
        """What is wrong with what stands in the place of a plant; nothing if it is right there.

        Lines that make sense with others alone come with their class or function.
        """
        own = [c for c in self._changes if any(c.touches(hunk) for hunk in one.hunks)]
        report = self._grade(text := _with(self._clean, own))
        if any(result.status == "error" for result in report.results):
            name = definition(self._clean, one.hunks[0].start + 1)
            text = _with_definition(self._clean, self._rest, name)
        return self._causes(text)

    def _causes(self, text: str) -> tuple[str, ...]:
        report = self._grade(text)
        if report.verdict == "pass":
            return ()
        names = tuple(dict.fromkeys(found.cause for found in report.diagnoses))
        return names or tuple(f"{r.id} fails" for r in report.results if r.failed)[:1]


def _changes(before: str, after: str) -> list[_Change]:
    was, now = before.splitlines(), after.splitlines()
    codes = difflib.SequenceMatcher(None, was, now, False).get_opcodes()
    return [_Change(i1, i2, tuple(now[j1:j2])) for code, i1, i2, j1, j2 in codes if code != "equal"]


def _with(text: str, changes: Sequence[_Change]) -> str:
    lines = text.splitlines()
    for change in sorted(changes, key=lambda change: -change.start):
        lines[change.start : change.end] = change.new
    return "\n".join(lines) + "\n"


def _with_definition(text: str, other: str, name: str) -> str:
    """A text with a class or function as it is in another one; that one if it has none."""
    here, there = _definitions(text).get(name), _definitions(other).get(name)
    if here is None or there is None:
        return other
    lines = tuple(other.splitlines()[there.start - 1 : there.stop - 1])
    return _with(text, [_Change(here.start - 1, here.stop - 1, lines)])


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
