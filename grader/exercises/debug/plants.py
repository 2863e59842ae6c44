"""What can be planted, and the clean texts that it is planted in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import tomli

from grader.bugs import CAUSES

_DATA = Path(__file__).parent
LEVELS = ("easy", "medium", "hard")
# The file in which the functions of an exercise are, in a folder to debug.
FILES = {
    "gpt2": "gpt2.py",
    "training": "train.py",
    "generation": "train.py",
    "kv_cache": "kv_cache.py",
    "tokenizer": "tokenizer.py",
    "classification": "classification.py",
}


@dataclass(frozen=True)
class Plant:
    """A bug that can be planted, by its name in the catalogue.

    symptom: what a user of the code would report; questions: to follow up with, each with what a
    good answer holds.
    """

    slug: str
    exercise: str
    topic: str
    level: str
    symptom: str
    questions: tuple[tuple[str, str], ...]

    @property
    def file(self) -> str:
        """Where it is planted."""
        return FILES[self.exercise]

    @property
    def hints(self) -> tuple[str, ...]:
        """From the symptom to nearly the solution."""
        cause = CAUSES[self.slug]
        return self.symptom, cause.where, *cause.hints[1:]

    @property
    def find(self) -> str:
        """What a strong debugger does to find it."""
        return CAUSES[self.slug].hints[1]


@dataclass(frozen=True)
class Hunk:
    """Lines that make place for others. start: their index in the clean text; before and after:
    the lines around them, as many as it takes to know the place again.
    """

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def touches(self, other: Hunk) -> bool:
        """Whether one of the two changes what the other is known by."""
        return self._in(other) or other._in(self)

    def _in(self, other: Hunk) -> bool:
        first, last = other.start - len(other.before), other.start + len(other.old + other.after)
        return first < max(self.start + 1, self.start + len(self.old)) and self.start < last

    def swapped(self, text: Sequence[str], back: bool = False) -> list[str] | None:
        """The text with the change made, or taken back; None if its place is not there."""
        old, new = (self.new, self.old) if back else (self.old, self.new)
        places = _places(text, (*self.before, *old, *self.after))
        if len(places) != 1:
            return None
        start = places[0] + len(self.before)
        return [*text[:start], *new, *text[start + len(old) :]]


@dataclass(frozen=True)
class Text:
    """A clean text: the file that it is, its style, and for each plant its edit."""

    file: str
    style: str

    @cached_property
    def clean(self) -> str:
        """The right text."""
        return self._path.with_suffix(".txt").read_text(encoding="utf-8")

    @cached_property
    def edits(self) -> dict[str, str]:
        """By the slugs of plants: lines that go, come and stay, as in a diff."""
        return tomli.loads(self._path.with_suffix(".toml").read_text(encoding="utf-8"))

    def hunks(self, slug: str) -> tuple[Hunk, ...]:
        """The edit of one plant."""
        return hunks(self.clean.splitlines(), self.edits[slug])

    @property
    def _path(self) -> Path:
        return _DATA / "texts" / Path(self.file).stem / self.style


@cache
def plants() -> dict[str, Plant]:
    """All that there are, by slug."""
    return {
        plant.slug: plant for file in sorted(_DATA.glob("plants/*.toml")) for plant in _read(file)
    }


def _read(file: Path) -> Iterator[Plant]:
    for topic, entry in tomli.loads(file.read_text(encoding="utf-8")).items():
        questions = tuple((q["ask"], q["good"]) for q in entry["questions"])
        for level in LEVELS:
            for slug, symptom in entry.get(level, {}).items():
                yield Plant(slug, file.stem, topic, level, symptom, questions)


@cache
def texts(file: str) -> tuple[Text, ...]:
    """The clean texts that there are of a file."""
    styles = sorted(path.stem for path in (_DATA / "texts" / Path(file).stem).glob("*.txt"))
    return tuple(Text(file, style) for style in styles)


def planted(text: str, edits: Sequence[Hunk]) -> str:
    """The text with these changes. Raises ValueError where one does not fit."""
    return _changed(text, edits, back=False)


def repaired(text: str, edits: Sequence[Hunk]) -> str:
    """The text with these changes taken back. Raises ValueError where one is not there."""
    return _changed(text, edits, back=True)


def standing(text: str, edits: Sequence[Hunk]) -> bool:
    """Whether a plant stands in a text as it was planted."""
    return all(hunk.swapped(text.splitlines(), back=True) is not None for hunk in edits)


def restored(text: str, edits: Sequence[Hunk]) -> bool:
    """Whether the clean lines are there in place of a plant."""
    return all(hunk.swapped(text.splitlines()) is not None for hunk in edits)


def _changed(text: str, edits: Sequence[Hunk], back: bool) -> str:
    lines = text.splitlines()
    for hunk in edits:
        swapped = hunk.swapped(lines, back)
        if swapped is None:
            raise ValueError(f"found not once: {hunk.new if back else hunk.old}")
        lines = swapped
    return "\n".join(lines) + "\n"


def hunks(clean: Sequence[str], edit: str) -> tuple[Hunk, ...]:
    """The parts of an edit, each at its place in the clean text. Raises ValueError."""
    bare = [_bare(clean, part.splitlines()) for part in edit.strip("\n").split("\n\n")]
    whole = list(clean)
    for hunk in sorted(bare, key=lambda hunk: -hunk.start):
        whole[hunk.start : hunk.start + len(hunk.old)] = hunk.new
    return tuple(_known(clean, whole, hunk) for hunk in bare)


def _bare(clean: Sequence[str], part: Sequence[str]) -> Hunk:
    old = [line[1:] for line in part if line[:1] in ("-", " ")]
    new = [line[1:] for line in part if line[:1] in ("+", " ")]
    places = _places(clean, old)
    if len(places) != 1:
        raise ValueError(f"expected once, found {len(places)} times: {old}")
    start = places[0]
    while old and new and old[0] == new[0]:
        del old[0], new[0]
        start += 1
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return Hunk(start, tuple(old), tuple(new), (), ())


def _known(clean: Sequence[str], whole: Sequence[str], hunk: Hunk) -> Hunk:
    """The hunk with as many lines around it as it takes to tell both texts apart there."""
    for width in range(len(clean)):
        end = hunk.start + len(hunk.old)
        before = tuple(clean[max(0, hunk.start - width) : hunk.start])
        after = tuple(clean[end : end + width])
        was, comes = (*before, *hunk.old, *after), (*before, *hunk.new, *after)
        counts = [len(_places(t, lines)) for lines in (was, comes) for t in (clean, whole)]
        if counts == [1, 0, 0, 1]:
            return Hunk(hunk.start, hunk.old, hunk.new, before, after)
    raise ValueError(f"cannot be told from what is around it: {hunk.new}")


def _places(text: Sequence[str], lines: Sequence[str]) -> list[int]:
    wanted = [line.rstrip() for line in lines]
    ends = range(len(text) - len(wanted) + 1)
    return [n for n in ends if [line.rstrip() for line in text[n : n + len(wanted)]] == wanted]


def as_json(hunk: Hunk) -> dict[str, Any]:
    """A hunk for a file."""
    return {**vars(hunk)}


def from_json(entry: dict[str, Any]) -> Hunk:
    """The hunk that `as_json` made this of."""
    names = ("old", "new", "before", "after")
    return Hunk(int(entry["start"]), *(tuple(map(str, entry[name])) for name in names))
