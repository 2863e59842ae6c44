"""A picture of a model's parts, one in another, in the order in which they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.files import write_whole
from lab.anatomy import Part
from lab.errors import LabError

WIDTH = 760  # pixels
_STEP, _ROW, _GAP, _LOWER = 14, 22, 10, 16  # inwards; a line; between two; a smaller line
_FILE = "architecture"


@dataclass(frozen=True)
class Box:
    """A frame with its lines; pixels. y_of: of each line's foot."""

    x: int
    y: int
    width: int
    height: int
    part: Part
    lines: list[tuple[int, str]]
    depth: int

    @property
    def right(self) -> int:
        """Where its right edge is."""
        return self.x + self.width


@dataclass(frozen=True)
class Picture:
    """All frames, and how large the whole is."""

    boxes: list[Box]
    height: int
    whole: Part


def picture(whole: Part) -> Picture:
    """Lays the parts out from top to bottom."""
    boxes: list[Box] = []
    bottom = _placed(whole, 0, _ROW + _GAP, 0, boxes)
    return Picture(sorted(boxes, key=lambda box: box.depth), bottom + _ROW + _GAP, whole)


def _placed(part: Part, x: int, y: int, depth: int, boxes: list[Box]) -> int:
    """Adds a part and what is in it; returns where its bottom is."""
    at = y + _ROW
    lines = []
    for line in _lines(part):
        lines.append((at + _LOWER - 4, line))
        at += _LOWER
    for inner in part.parts:
        at = _placed(inner, x + _STEP, at + _GAP, depth + 1, boxes)
    at += _GAP if part.parts else 6
    boxes.append(Box(x, y, WIDTH - 2 * x, at - y, part, lines, depth))
    return at


def _lines(part: Part) -> Iterator[str]:
    """What stands below a part's name."""
    if part.same_as:
        yield f"made as {part.same_as}"
    yield from part.own
    if part.says:
        yield part.says


def svg(whole: Part) -> str:
    """A file of its own, light or dark as the reader has it."""
    from lab.report import templates

    return templates().get_template("architecture.svg.jinja").render(drawn=picture(whole))


def write(folder: Path, whole: Part) -> Path:
    """Keep parts and picture in the folder of a run; returns the picture. Raises OSError."""
    write_whole(folder / f"{_FILE}.json", json.dumps(whole.as_json()))
    place = folder / f"{_FILE}.svg"
    write_whole(place, svg(whole))
    return place


def kept(folder: Path) -> Picture | None:
    """The picture of a run's model, if it has one."""
    try:
        given: dict[str, Any] = json.loads((folder / f"{_FILE}.json").read_text(encoding="utf-8"))
        return picture(Part.from_json(given))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f"{folder / _FILE}.json cannot be read: {error!r}") from error
