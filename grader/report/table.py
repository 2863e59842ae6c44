"""Many reports as one table: rows, CSV, a summary, a page."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grader.files import write_whole
from grader.report.html import templates
from grader.report.lookalikes import Pair
from grader.report.places import without_place
from grader.text import clean, csv_cell, shorten

_MESSAGE = 160  # characters of what a row says
_TOP_CAUSES = 12
_BEFORE_PARTS = ("submission", "verdict", "score", "max_score")
_AFTER_PARTS = ("causes", "advisories", "message", "isolation", "sha256", "seconds", "report")


@dataclass(frozen=True)
class Row:
    """One submission in the table. page: where its report lies, as a path beside the table."""

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

    @property
    def counts(self) -> bool:
        """Whether its points say something: that it was graded."""
        return self.verdict in ("pass", "fail")

    @property
    def reached(self) -> dict[str, float]:
        """Points by part."""
        return {name: score for name, score, _ in self.parts}

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
    table.writerow([*_BEFORE_PARTS, *parts, *_AFTER_PARTS])
    for item in rows:
        texts = [" ".join(item.causes), " ".join(item.advisories), item.message, item.isolation]
        table.writerow(
            [csv_cell(item.name), item.verdict]
            + [f"{item.score:g}" if item.counts else "", f"{item.max_score:g}"]
            + [
                f"{item.reached[name]:g}" if item.counts and name in item.reached else ""
                for name in parts
            ]
            + [csv_cell(text) for text in texts]
            + [item.sha256, f"{item.seconds:.2f}", csv_cell(item.page)]
        )
    return file.getvalue()


def part_names(rows: Sequence[Row]) -> list[str]:
    """The parts that occur, in order."""
    return list(dict.fromkeys(name for item in rows for name, _, _ in item.parts))


def summary(rows: Sequence[Row], facts: dict[str, Any]) -> dict[str, Any]:
    """What came out of all, and how it was graded."""
    scores = [item.score for item in rows if item.counts]
    return {
        "schema_version": 1,
        **facts,
        "submissions": len(rows),
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
        "results": [
            {
                "submission": item.name,
                "verdict": item.verdict,
                "score": item.score if item.counts else None,
                "max_score": item.max_score,
                "causes": list(item.causes),
                "sha256": item.sha256,
                "report": item.page,
            }
            for item in rows
        ],
    }


def write(
    rows: Sequence[Row], facts: dict[str, Any], alike: Sequence[Pair] | None, out: Path
) -> None:
    """Write results.csv, summary.json and index.html, each whole or not at all. Raises OSError.

    alike: pairs that look alike; None if that was not looked at.
    """
    said = summary(rows, facts)
    if alike is not None:
        said["lookalikes"] = [pair.as_json() for pair in alike]
    write_whole(out / "results.csv", as_csv(rows))
    write_whole(out / "summary.json", json.dumps(said, indent=2, ensure_ascii=False) + "\n")
    write_whole(out / "index.html", page(rows, said, alike))


def page(rows: Sequence[Row], said: dict[str, Any], alike: Sequence[Pair] | None) -> str:
    """The table as a page, sorted by a click or a key on the head of a column."""
    environment = templates()
    assert environment.loader is not None
    script, _, _ = environment.loader.get_source(environment, "sort.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("table.html.jinja").render(
        rows=rows,
        parts=part_names(rows),
        summary=said,
        causes=list(said["causes"].items())[:_TOP_CAUSES],
        alike=alike,
        clean=clean,
        script=script,
        digest=digest,
    )
