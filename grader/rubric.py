"""What an interviewer counts: points, optional checks, a pass mark, from a TOML file."""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli

from grader.check import Check
from grader.errors import GraderError

_KEYS = ("total", "pass_mark", "optional", "points", "map")


class RubricError(GraderError):
    """The file is no rubric. The message says what is wrong with it."""


@dataclass(frozen=True)
class Rubric:
    """Changes to what the checks say of themselves.

    points: id -> points; optional: ids that need not pass; pass_mark: points with which a
    submission passes, whatever else fails; map: a name of the exercise -> the class, or the
    function, that plays its part in the submission.
    """

    points: tuple[tuple[str, float], ...] = ()
    optional: frozenset[str] = frozenset()
    pass_mark: float | None = None
    map: tuple[tuple[str, str], ...] = ()

    def applied(self, checks: dict[str, Check]) -> dict[str, Check]:
        """The same checks with the points of this rubric."""
        points = dict(self.points)
        return {
            name: replace(
                check,
                points=points.get(check.id, check.points),
                optional=check.id in self.optional,
            )
            for name, check in checks.items()
        }

    @property
    def digest(self) -> str:
        """A few letters that tell one rubric from another; "" for the shipped one."""
        if self == SHIPPED:
            return ""
        facts = repr((sorted(self.points), sorted(self.optional), self.pass_mark))
        facts += repr(sorted(self.map)) if self.map else ""
        return hashlib.sha256(facts.encode()).hexdigest()[:12]

    def mapped(self, pairs: Iterable[tuple[str, str]]) -> Rubric:
        """The same with these taken for names of the exercise besides."""
        return replace(self, map=tuple(sorted((dict(self.map) | dict(pairs)).items())))


SHIPPED = Rubric()


def read(path: Path, checks: Iterable[Check]) -> Rubric:
    """The rubric in a file, for an exercise with these checks. Raises RubricError."""
    try:
        found = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RubricError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RubricError(f"{path}: not a TOML file ({error})") from None
    try:
        return _rubric(found, {check.id: check.points for check in checks})
    except RubricError as error:
        raise RubricError(f"{path}: {error}") from None


def _rubric(found: dict[str, Any], shipped: dict[str, float]) -> Rubric:
    for key in found:
        if key not in _KEYS:
            raise RubricError(f"{key!r} is not of a rubric; these are: {', '.join(_KEYS)}")
    given = found.get("points", {})
    optional = found.get("optional", [])
    if not isinstance(given, dict):
        raise RubricError('points must be a table: [points], then lines like "mlp.gelu" = 4')
    if not isinstance(optional, list) or not all(isinstance(item, str) for item in optional):
        raise RubricError('optional must be a list of ids, like ["gpt2.dropout"]')
    for name in (*given, *optional):
        _expect_known(name, shipped)
    points = {name: _number(f"points of {name}", value) for name, value in given.items()}
    total = _number("total", found.get("total", sum(shipped.values())))
    reached = sum({**shipped, **points}.values())
    if not math.isclose(reached, total):
        raise RubricError(
            f"the points add up to {reached:g}, and total is {total:g}. Change the points of "
            f"other checks too, or write total = {reached:g}"
        )
    mark = found.get("pass_mark")
    if mark is not None and _number("pass_mark", mark) > total:
        raise RubricError(f"pass_mark is {mark:g}, of {total:g} points that there are")
    names = found.get("map", {})
    if not isinstance(names, dict) or not all(isinstance(own, str) for own in names.values()):
        raise RubricError('map must be a table: [map], then lines like MLP = "FeedForward"')
    return Rubric(
        tuple(sorted(points.items())), frozenset(optional), mark, tuple(sorted(names.items()))
    )


def _expect_known(name: str, shipped: dict[str, float]) -> None:
    if name in shipped:
        return
    if name in {id.split(".")[0] for id in shipped}:
        raise RubricError(f'{name!r} is no check. Write the whole id in quotes: "{name}.…" = 1')
    near = difflib.get_close_matches(name, shipped, 1)
    meant = f"Did you mean {near[0]!r}?" if near else "`grader list` shows all."
    raise RubricError(f"there is no check {name!r}. {meant}")


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise RubricError(f"{what} must be a number, zero or more; found {value!r}")
    return value


def as_shipped(checks: Iterable[Check]) -> str:
    """The rubric that holds where none is given, as a file to begin with."""
    checks = tuple(checks)
    lines = [
        "# What an interviewer counts. Leave out what shall stay as it is.",
        f"total = {sum(check.points for check in checks):g}",
        "# pass_mark = 80  # points with which a submission passes, whatever else fails",
        "optional = []  # ids of checks that need not pass",
        "",
        "[points]",
    ]
    return "\n".join([*lines, *(f'"{check.id}" = {check.points:g}' for check in checks)]) + "\n"
