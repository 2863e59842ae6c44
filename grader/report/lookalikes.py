"""Pairs of submissions that look alike, with the lines that match, as a page."""

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
    """Two that look alike, or two and more that are the same letter by letter.

    score: the share of the shorter one's text that both have.
    """

    names: tuple[str, ...]
    score: float
    same: bool
    sides: tuple[Side, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As in summary.json."""
        lines = [[passage.words for passage in side.passages] for side in self.sides]
        return {
            "submissions": [clean(name) for name in self.names],
            "score": round(self.score, 3),
            "same": self.same,
            "lines": lines,
        }


def write(pairs: Sequence[Pair], path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    template = templates().get_template("lookalikes.html.jinja")
    write_whole(path, template.render(pairs=pairs, clean=clean))
