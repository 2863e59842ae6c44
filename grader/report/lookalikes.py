"""Submissions that look alike, with the lines that match, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.files import write_whole
from grader.report.html import templates
from grader.text import clean


@dataclass(frozen=True)
class Passage:
    """Lines in a row, each with its number."""

    lines: tuple[tuple[str, str], ...]

    @property
    def words(self) -> str:
        """Such as "12-17"."""
        first, last = self.lines[0][0], self.lines[-1][0]
        return first if first == last else f"{first}-{last.split(':')[-1]}"


@dataclass(frozen=True)
class Side:
    """What one of two shares with the other."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Pair:
    """Two of a group. score: the share of the shorter one's text that both have; sides: the lines
    that match, unless these were not looked for.
    """

    names: tuple[str, str]
    score: float
    sides: tuple[Side, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As in summary.json."""
        lines = [[passage.words for passage in side.passages] for side in self.sides]
        names = [clean(name) for name in self.names]
        return {"submissions": names, "score": round(self.score, 3), "lines": lines}


@dataclass(frozen=True)
class Group:
    """Those that look alike, each one like another of them. pairs: which are like which; without
    any, they are the same letter by letter.
    """

    names: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()

    @property
    def same(self) -> bool:
        """Whether not a letter differs."""
        return not self.pairs

    @property
    def score(self) -> float:
        """The largest share that two of them have in common."""
        return max((pair.score for pair in self.pairs), default=1.0)

    @property
    def share(self) -> str:
        """Such as "93 %" or "81 to 93 %"."""
        shares = [f"{100 * pair.score:.0f}" for pair in self.pairs] or ["100"]
        low, high = min(shares, key=int), max(shares, key=int)
        return f"{high} %" if low == high else f"{low} to {high} %"

    def as_json(self) -> dict[str, Any]:
        """As in summary.json."""
        return {
            "submissions": [clean(name) for name in self.names],
            "score": round(self.score, 3),
            "same": self.same,
            "pairs": [pair.as_json() for pair in self.pairs],
        }

    @staticmethod
    def of(told: dict[str, Any]) -> Group:
        """A group from what `as_json` gave, without its lines."""
        pairs = (
            Pair((p["submissions"][0], p["submissions"][1]), p["score"]) for p in told["pairs"]
        )
        return Group(tuple(told["submissions"]), tuple(pairs))


def write(groups: Sequence[Group], path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    template = templates().get_template("lookalikes.html.jinja")
    write_whole(path, template.render(groups=groups, clean=clean))
