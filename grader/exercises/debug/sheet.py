"""The interviewer's sheet: what is planted where, for a person to read and the grader to use."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.bugs import CAUSES
from grader.errors import GraderError
from grader.exercises.debug.draw import Puzzle
from grader.exercises.debug.plants import Hunk, Plant, as_json, from_json, plants
from grader.files import write_whole

_VERSION = 1
_FOR_THE_GRADER = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class SheetError(GraderError):
    """A sheet cannot be read or written. The message says what was expected and found."""


@dataclass(frozen=True)
class Planted:
    """A plant as it was handed out. line: of its file, from 1; fix: what changes, as a diff."""

    plant: Plant
    hunks: tuple[Hunk, ...]
    line: int
    fix: str


@dataclass(frozen=True)
class Sheet:
    """What was handed out: the texts with the bugs in them, and without, by file."""

    plants: tuple[Planted, ...]
    planted: dict[str, str]
    clean: dict[str, str]
    made: str  # in words: of which level, over what, when

    @property
    def digest(self) -> str:
        """Short for this sheet and no other."""
        return hashlib.sha256(dumps(self).encode()).hexdigest()[:16]

    def of(self, exercise: str) -> tuple[Planted, ...]:
        """What is planted in the functions of one exercise."""
        return tuple(one for one in self.plants if one.plant.exercise == exercise)


def made_of(puzzle: Puzzle, made: str) -> Sheet:
    """The sheet of a puzzle."""
    planted = puzzle.planted
    clean = {file: text.clean for file, text in puzzle.texts.items()}
    sets = tuple(
        Planted(
            one.plant,
            one.hunks,
            _line(planted[one.plant.file].splitlines(), one.hunks[0]),
            _diff(one.hunks),
        )
        for one in puzzle.sets
    )
    return Sheet(sets, planted, clean, made)


def _line(text: list[str], hunk: Hunk) -> int:
    """Where in the planted text a change stands, from 1."""
    restored = hunk.swapped(text, back=True) or text
    same = (n for n, (a, b) in enumerate(zip(text, restored, strict=False)) if a != b)
    return next(same, len(text) - 1) + 1


def _diff(hunks: tuple[Hunk, ...]) -> str:
    """What a fix changes: lines that go and lines that come."""
    parts = []
    for hunk in hunks:
        lines = difflib.ndiff(hunk.new, hunk.old)
        parts.append("\n".join(line for line in lines if line[0] in "-+ "))
    return "\n\n".join(parts)


def write(sheet: Sheet, file: Path) -> None:
    """Write the sheet. Raises SheetError."""
    try:
        write_whole(file, "\n".join(_page(sheet)) + "\n")
    except OSError as error:
        raise SheetError(f"{file}: the sheet cannot be written ({error.strerror})") from error


def read(file: Path) -> Sheet:
    """The sheet in a file. Raises SheetError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SheetError(f"{file}: the sheet cannot be read ({error}).") from error
    found = _FOR_THE_GRADER.search(text)
    try:
        if found is None:
            raise ValueError("no part for the grader")
        return loads(found[1])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SheetError(
            f"{file}: expected a sheet that `grader start --exercise debug --sheet` wrote, whole, "
            f"found something else ({error})."
        ) from error


def dumps(sheet: Sheet) -> str:
    """The sheet as JSON, for the grader."""
    entries = [
        {"slug": one.plant.slug, "line": one.line, "hunks": [as_json(h) for h in one.hunks]}
        for one in sheet.plants
    ]
    entry = {"sheet": _VERSION, "made": sheet.made, "plants": entries}
    return json.dumps({**entry, "planted": sheet.planted, "clean": sheet.clean})


def loads(text: str) -> Sheet:
    """The sheet that `dumps` wrote. Raises ValueError, KeyError, TypeError and the like."""
    entry = json.loads(text)
    if entry["sheet"] != _VERSION:
        raise ValueError(f"a sheet of version {entry['sheet']!r}")
    return Sheet(
        tuple(map(_planted, entry["plants"])),
        {str(file): str(text) for file, text in entry["planted"].items()},
        {str(file): str(text) for file, text in entry["clean"].items()},
        str(entry["made"]),
    )


def _planted(entry: dict[str, Any]) -> Planted:
    hunks = tuple(map(from_json, entry["hunks"]))
    if entry["slug"] not in plants():
        raise ValueError(f"this kit has no plant {entry['slug']!r}")
    return Planted(plants()[entry["slug"]], hunks, int(entry["line"]), _diff(hunks))


def _page(sheet: Sheet) -> Iterator[str]:
    yield "# What is planted"
    yield ""
    yield f"{sheet.made} Keep this away from the folder of the candidate."
    yield ""
    yield "| | bug | where | level |"
    yield "|---|---|---|---|"
    for number, one in enumerate(sheet.plants, 1):
        place = f"{one.plant.file}, line {one.line}"
        yield f"| {number} | {one.plant.slug} | {place} | {one.plant.level} |"
    for number, one in enumerate(sheet.plants, 1):
        yield from _section(number, one)
    yield ""
    yield "## For the grader"
    yield ""
    yield "`grader grade DIR --sheet FILE` reads what follows. Leave it as it is."
    yield ""
    yield "```json"
    yield dumps(sheet)
    yield "```"


def _section(number: int, one: Planted) -> Iterator[str]:
    cause = CAUSES[one.plant.slug]
    yield ""
    yield f"## {number}. {one.plant.slug}: {one.plant.file}, line {one.line}"
    yield ""
    yield f"{cause.summary} {cause.expected}"
    yield ""
    yield f"- **Symptom.** {one.plant.symptom}"
    yield f"- **How a strong debugger finds it.** {one.plant.find}"
    yield f"- **Fix.** {cause.hints[-1]}"
    yield ""
    yield "```diff"
    yield one.fix
    yield "```"
    yield ""
    yield "Ask afterwards:"
    yield ""
    for question, answer in one.plant.questions:
        yield f"- *{question}* {answer}"
