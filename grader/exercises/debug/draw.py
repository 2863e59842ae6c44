"""Draws a puzzle: which clean texts, and which bugs are planted in them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random

from grader.bugs import CAUSES
from grader.errors import GraderError
from grader.exercises.debug.plants import FILES, Hunk, Plant, Text, planted, plants, texts

OVER = ("gpt2", "training")  # the exercises that bugs are planted in, unless others are wanted
_LAID_OUT = ("gpt2.py", "train.py")  # always
_TRIES = 200


class DrawError(GraderError):
    """There is no such puzzle. The message says what was asked for and what there is."""


@dataclass(frozen=True)
class Wanted:
    """What kind of puzzle.

    bugs: how many; level: of which level all of them are; over: the exercises that they are
    planted in; only: these and no others; missed: topics that are to come up before others.
    """

    bugs: int = 4
    level: str | None = None
    over: tuple[str, ...] = OVER
    only: tuple[str, ...] = ()
    missed: frozenset[str] = frozenset()

    @property
    def exercises(self) -> tuple[str, ...]:
        """Those that bugs are planted in."""
        own = {plants()[slug].exercise for slug in self.only}
        return tuple(name for name in FILES if name in (own or self.over))

    @property
    def files(self) -> tuple[str, ...]:
        """What is laid out."""
        return tuple(dict.fromkeys([*_LAID_OUT, *(FILES[name] for name in self.exercises)]))


@dataclass(frozen=True)
class Set:
    """A plant that is set in a text: by which changes."""

    plant: Plant
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Puzzle:
    """Clean texts by file, and what is planted in them, file by file and line by line."""

    texts: dict[str, Text]
    sets: tuple[Set, ...]

    @property
    def planted(self) -> dict[str, str]:
        """The texts with all the bugs, by file."""
        return {
            file: planted(
                text.clean, [h for s in self.sets if s.plant.file == file for h in s.hunks]
            )
            for file, text in self.texts.items()
        }


def seed_of_day(day: str) -> int:
    """The same for everybody. day: such as 2026-12-01."""
    return int.from_bytes(hashlib.sha256(f"debug {day}".encode()).digest()[:6], "big")


def draw(wanted: Wanted, seed: int) -> Puzzle:
    """The puzzle of a seed. Raises DrawError if there is none of the kind."""
    _check(wanted)
    rng = Random(seed)
    best: Puzzle | None = None
    for _ in range(_TRIES):
        puzzle = _drawn(wanted, rng)
        if len(puzzle.sets) == (len(wanted.only) or wanted.bugs):
            return puzzle
        best = max(best or puzzle, puzzle, key=lambda found: len(found.sets))
    assert best is not None
    if wanted.only:
        left = set(wanted.only) - {one.plant.slug for one in best.sets}
        raise DrawError(
            f"no text can hold all of {', '.join(wanted.only)}: two of them would touch, hide or "
            f"cancel one another. Leave out {', '.join(sorted(left))}, or another one."
        )
    raise DrawError(
        f"expected {wanted.bugs} bugs{_of(wanted)}, found no more than {len(best.sets)} that go "
        "together. Ask for fewer, for another level, or for more with --over."
    )


def _check(wanted: Wanted) -> None:
    for slug in wanted.only:
        if slug not in plants():
            said = "cannot be planted" if slug in CAUSES else "is no bug of the catalogue"
            raise DrawError(f"--only: {slug} {said}. {_meant(slug, plants())}")
    there = {plant.exercise for plant in plants().values()}
    for name in wanted.over:
        if name not in there:
            raise DrawError(f"--over: no bugs can be planted over {name}. {_meant(name, there)}")


def _meant(name: str, known: Collection[str]) -> str:
    """What was probably meant, or what there is."""
    if near := get_close_matches(name, known, cutoff=0.5):
        return f"Did you mean {' or '.join(near)}?"
    return f"Expected {', '.join(sorted(known))}."


def _of(wanted: Wanted) -> str:
    level = f" of level {wanted.level}" if wanted.level else ""
    return f"{level} over {', '.join(wanted.exercises)}"


def _drawn(wanted: Wanted, rng: Random) -> Puzzle:
    """One try: texts at random, and plants that get along, one after another."""
    chosen = {file: rng.choice(_choices(file, wanted)) for file in wanted.files}
    sets: list[Set] = []
    for slug in _order(wanted, chosen, rng):
        plant = plants()[slug]
        text = chosen[plant.file]
        if slug in text.edits and _fits(one := Set(plant, text.hunks(slug)), sets):
            sets.append(one)
        if not wanted.only and len(sets) == wanted.bugs:
            break
    return Puzzle(chosen, tuple(sorted(sets, key=lambda s: (s.plant.file, s.hunks[0].start))))


def _choices(file: str, wanted: Wanted) -> list[Text]:
    """The texts that a file may be. A classifier takes the head off, which not all have."""
    headed = file == "gpt2.py" and FILES["classification"] in wanted.files
    return [text for text in texts(file) if not headed or "self.lm_head" in text.clean]


def _order(wanted: Wanted, chosen: Mapping[str, Text], rng: Random) -> Sequence[str]:
    """In which order plants are tried: exercises in turns, each topic as likely as another."""
    if wanted.only:
        return wanted.only
    by_topic: dict[tuple[str, str], list[str]] = {}
    for plant in plants().values():
        fits = plant.exercise in wanted.exercises and wanted.level in (None, plant.level)
        if fits and plant.slug in chosen[plant.file].edits:
            by_topic.setdefault((plant.exercise, plant.topic), []).append(plant.slug)
    turns: dict[str, int] = {}
    ranked = []
    for exercise, topic in rng.sample(sorted(by_topic), len(by_topic)):
        turns[exercise] = turns.get(exercise, rng.random() < 0.5) + 1
        first = topic not in wanted.missed
        ranked.append((first, turns[exercise], rng.choice(by_topic[exercise, topic])))
    return [slug for _, _, slug in sorted(ranked)]


def _fits(one: Set, others: Collection[Set]) -> bool:
    return not any(
        one.plant.topic == other.plant.topic
        or one.plant.symptom == other.plant.symptom
        or (
            one.plant.file == other.plant.file
            and any(a.touches(b) for a in one.hunks for b in other.hunks)
        )
        for other in others
    )
