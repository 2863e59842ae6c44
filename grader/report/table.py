"""Many reports as one table: rows, CSV, a summary."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from grader.person import Person
from grader.report.places import without_place
from grader.text import clean, csv_cell, shorten

_MESSAGE = 160  # characters of what a row says
_BEFORE_PARTS = ("submission", "person", "id", "email", "login", "late", "attempt", "counted")
_POINTS = ("verdict", "score", "max_score")
_AFTER_PARTS = (
    *("causes", "advisories", "message", "by_hand", "isolation", "sha256", "seconds", "report"),
)
BOM = "\ufeff"  # by which Excel knows that a CSV file is UTF-8


@dataclass(frozen=True)
class Row:
    """One submission in the table.

    page: where its report lies, as a path beside the table; by_hand: what a person decided, in
    words; people: from whom it is; attempt: which of how many of theirs; counted: whether it is
    the one that counts.
    """

    name: str
    verdict: str
    score: float
    max_score: float
    parts: tuple[tuple[str, float, float], ...]  # name, points, points to be had
    causes: tuple[str, ...]
    advisories: tuple[str, ...]
    message: str
    isolation: str
    sha256: str
    seconds: float
    page: str = ""
    by_hand: str = ""
    people: tuple[Person, ...] = ()
    late: bool = False
    attempt: tuple[int, int] = (1, 1)
    counted: bool = True

    @property
    def graded(self) -> bool:
        """Whether its points say something."""
        return self.verdict in ("pass", "fail")

    @property
    def reached(self) -> dict[str, float]:
        """Points by part."""
        return {name: score for name, score, _ in self.parts}

    @property
    def lost(self) -> tuple[str, ...]:
        """Parts that did not get all of their points."""
        return tuple(name for name, score, top in self.parts if self.graded and score < top)

    @property
    def who(self) -> str:
        """The people it is from."""
        return ", ".join(clean(str(person)) for person in self.people)

    @property
    def which(self) -> str:
        """Which attempt it is, where there are several."""
        number, several = self.attempt
        return f"{number} of {several}" if several > 1 else ""

    @property
    def link(self) -> str:
        """The page as an address."""
        return quote(self.page)


def row(name: str, report: dict[str, Any], page: str = "") -> Row:
    """The row of a report in its JSON form. Raises KeyError or TypeError if it is none."""
    return Row(
        name=clean(name),
        verdict=report["verdict"],
        score=report["score"],
        max_score=report["max_score"],
        parts=tuple((p["name"], p["score"], p["max_score"]) for p in report["parts"]),
        causes=tuple(dict.fromkeys(d["cause"] for d in report["diagnoses"])),
        advisories=tuple(a["id"] for a in report["advisories"]),
        message=shorten(_first_words(report), _MESSAGE),
        isolation=report["isolation"]["level"],
        sha256=report["submission"]["sha256"],
        seconds=report["seconds"],
        page=page,
        by_hand=clean(report.get("by_hand", {}).get("words", "")),
    )


def _first_words(report: dict[str, Any]) -> str:
    """What is said first: why it was not graded, or what fails."""
    failed = [c for c in report["checks"] if c["status"] not in ("pass", "todo", "not-run")]
    said = report.get("unreadable", "") or (failed[0]["message"] if failed else "")
    return without_place(str(said).split("\n")[0], report)


def as_csv(rows: Sequence[Row]) -> str:
    """A line for each; what a spreadsheet would take for a formula is made a text."""
    parts = part_names(rows)
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow([*_BEFORE_PARTS, *_POINTS, *parts, *_AFTER_PARTS])
    for item in rows:
        table.writerow([*_from_whom(item), *_points(item, parts), *_remarks(item)])
    return file.getvalue()


def _from_whom(item: Row) -> list[str]:
    ids = [
        ", ".join(filter(None, (getattr(person, name) for person in item.people)))
        for name in ("id", "email", "login")
    ]
    texts = [item.name, item.who, *ids, "late" if item.late else "", item.which]
    return [*map(csv_cell, texts), "yes" if item.counted else "no"]


def _points(item: Row, parts: Sequence[str]) -> list[str]:
    def number(value: float | None) -> str:
        return f"{value:g}" if item.graded and value is not None else ""

    reached = [number(item.reached.get(name)) for name in parts]
    return [item.verdict, number(item.score), f"{item.max_score:g}", *reached]


def _remarks(item: Row) -> list[str]:
    texts = [" ".join(item.causes), " ".join(item.advisories), item.message, item.by_hand]
    cells = [csv_cell(text) for text in (*texts, item.isolation)]
    return [*cells, item.sha256, f"{item.seconds:.2f}", csv_cell(item.page)]


def part_names(rows: Sequence[Row]) -> list[str]:
    """The parts that occur, in order."""
    return list(dict.fromkeys(name for item in rows for name, _, _ in item.parts))


@dataclass(frozen=True)
class People:
    """Who handed in and who did not. expected: all of whom something is expected; missing: those
    who handed in nothing; unknown: hand-ins of which it is not known whose they are.
    """

    expected: tuple[Person, ...] = ()
    missing: tuple[Person, ...] = ()
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As in summary.json."""
        return {
            "expected": [person.as_json() for person in self.expected],
            "missing": [person.as_json() for person in self.missing],
            "unknown": list(self.unknown),
        }


@dataclass(frozen=True)
class Arrivals:
    """What is told of a batch beside its rows. waiting: how many are still to be graded;
    passed_over: names of what is no hand-in.
    """

    people: People = field(default_factory=People)
    passed_over: tuple[str, ...] = ()
    waiting: int = 0


def summary(rows: Sequence[Row], facts: dict[str, Any], arrivals: Arrivals) -> dict[str, Any]:
    """What came out of all, and how it was graded."""
    scores = [item.score for item in rows if item.graded and item.counted]
    return {
        "schema_version": 1,
        **facts,
        "submissions": len(rows),
        **({"waiting": arrivals.waiting} if arrivals.waiting else {}),
        "verdicts": dict(Counter(item.verdict for item in rows).most_common()),
        "scores": {
            "mean": round(statistics.fmean(scores), 2),
            "median": statistics.median(scores),
            "lowest": min(scores),
            "highest": max(scores),
        }
        if scores
        else None,
        "causes": dict(Counter(cause for item in rows for cause in item.causes).most_common()),
        "isolation": dict(Counter(item.isolation for item in rows).most_common()),
        "passed_over": [clean(name) for name in arrivals.passed_over],
        "people": arrivals.people.as_json(),
        "results": [_result(item) for item in rows],
    }


def _result(item: Row) -> dict[str, Any]:
    return {
        "submission": item.name,
        "people": [person.as_json() for person in item.people],
        "late": item.late,
        "attempt": list(item.attempt),
        "counted": item.counted,
        "verdict": item.verdict,
        "score": item.score if item.graded else None,
        "max_score": item.max_score,
        "causes": list(item.causes),
        **({"by_hand": item.by_hand} if item.by_hand else {}),
        "sha256": item.sha256,
        "report": item.page,
    }
