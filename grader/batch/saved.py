"""A folder of results as it lies there: read again, and changed by hand."""

from __future__ import annotations

import datetime
import getpass
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader import by_hand
from grader.batch.store import decide, report_of
from grader.by_hand import ByHand
from grader.errors import GraderError
from grader.person import Person
from grader.report import table, table_page
from grader.report.lookalikes import Group
from grader.text import clean

SUMMARY = "summary.json"
_OF_ROWS = {
    *("schema_version", "submissions", "waiting", "verdicts", "scores", "causes", "isolation"),
    *("passed_over", "people", "results", "lookalikes"),
}


class SavedError(GraderError):
    """The results cannot be read or changed. The message says why."""


@dataclass(frozen=True)
class Saved:
    """What a folder of results has."""

    out: Path
    rows: tuple[table.Row, ...]
    arrivals: table.Arrivals
    facts: dict[str, Any]
    alike: tuple[Group, ...] | None

    def write(self) -> None:
        """Write the table again. Raises OSError."""
        table_page.write(self.rows, self.facts, self.alike, self.out, self.arrivals)


def load(out: Path) -> Saved:
    """Read a folder of results. Raises SavedError."""
    try:
        said = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
        rows = tuple(_row(out, told) for told in said["results"])
        told = said["people"]
        people = table.People(
            tuple(map(Person.of, told["expected"])),
            tuple(map(Person.of, told["missing"])),
            tuple(told["unknown"]),
        )
        arrivals = table.Arrivals(people, tuple(said["passed_over"]), said.get("waiting", 0))
        groups = said.get("lookalikes")
        alike = None if groups is None else tuple(map(Group.of, groups))
    except OSError as error:
        raise SavedError(
            f"{out}: no results of `grader batch` ({error.filename}: {error.strerror})"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavedError(
            f"{out}: not results that this kit can read ({type(error).__name__}: {error}). Run "
            "`grader batch` with the same folders once more"
        ) from error
    facts = {key: value for key, value in said.items() if key not in _OF_ROWS}
    return Saved(out, rows, arrivals, facts, alike)


def _row(out: Path, told: dict[str, Any]) -> table.Row:
    return replace(
        table.row(told["submission"], _report(out, told["report"]), told["report"]),
        people=tuple(map(Person.of, told["people"])),
        late=bool(told["late"]),
        attempt=(int(told["attempt"][0]), int(told["attempt"][1])),
        counted=bool(told["counted"]),
    )


def _report(out: Path, page: str) -> dict[str, Any]:
    """The report whose page this is."""
    file = report_of(out / page)
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no report")
    return found


def override(out: Path, who: str, points: float | None, why: str) -> table.Row:
    """Give points by hand, or set a hand-in aside for None. Raises SavedError."""

    def decision(row: table.Row) -> ByHand:
        if points is not None and not 0 <= points <= row.max_score:
            raise SavedError(
                f"{points:g} points: expected a number from 0 to {row.max_score:g}, which is what "
                f"{row.name} is graded out of"
            )
        given = None if points is None else abs(points)  # there is a number -0
        return ByHand(" ".join(why.split()), _now(), _user(), given, row.sha256)

    return _decide(out, who, decision)


def withdraw(out: Path, who: str) -> table.Row:
    """Let what the grader said stand again. Raises SavedError."""
    return _decide(out, who, lambda row: None)


def _decide(out: Path, who: str, make: Callable[[table.Row], ByHand | None]) -> table.Row:
    saved = load(out)
    place = _place(saved.rows, who)
    row = saved.rows[place]
    try:
        decided = by_hand.load(out)
        one = make(row)
        if one is None:
            decided.pop(row.name, None)
        else:
            decided[row.name] = one
        by_hand.save(out, decided)
        report = decide(out / row.page, _report(out, row.page), one)
        fresh = table.row(row.name, report, row.page)
        changed = replace(
            row,
            verdict=fresh.verdict,
            score=fresh.score,
            message=fresh.message,
            by_hand=fresh.by_hand,
        )
        rows = (*saved.rows[:place], changed, *saved.rows[place + 1 :])
        replace(saved, rows=rows).write()
    except OSError as error:
        where = error.filename or out
        raise SavedError(f"{where}: cannot be written or read ({error.strerror})") from error
    except ValueError as error:
        raise SavedError(str(error)) from error
    return changed


def _place(rows: tuple[table.Row, ...], who: str) -> int:
    """Which row is meant by the name of a hand-in or of a person. Raises SavedError."""
    wanted = clean(who).casefold().strip()
    wanted = " ".join(wanted.split())
    exact = [n for n, row in enumerate(rows) if row.name.casefold() == wanted]
    counted = [n for n, row in enumerate(rows) if row.counted and wanted in _signs(row)]
    found = exact or counted
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(rows[n].name for n in found)
        raise SavedError(f"{who!r} may be several: {names}. Give the name of the hand-in")
    near = [row.name for row in rows if wanted in f"{row.name} {row.who}".casefold()][:8]
    meant = f"Did you mean {', '.join(near)}?" if near else "The table has all names."
    raise SavedError(f"there is nothing by {who!r} in these results. {meant}")


def _signs(row: table.Row) -> Iterable[str]:
    """By what the people of a row may be called; a name also in the other order."""
    for person in row.people:
        yield from (value.casefold() for value in person.as_json().values())
        last, comma, first = person.name.casefold().partition(",")
        if comma:
            yield f"{first.strip()} {last.strip()}"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
