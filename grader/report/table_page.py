"""The table of a batch as files: a page to search in, CSV, and a summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grader.files import write_whole
from grader.report.html import script_of, templates
from grader.report.lookalikes import Group
from grader.report.table import BOM, Arrivals, Row, as_csv, part_names, summary
from grader.text import clean

_TOP_CAUSES = 12
_MOST_MEMBERS = 12  # of a group of look-alikes that are named in the table
_SUMMARY = "summary.json"


def write(
    rows: Sequence[Row],
    facts: dict[str, Any],
    alike: Sequence[Group] | None,
    out: Path,
    arrivals: Arrivals,
) -> None:
    """Write results.csv, summary.json and index.html, each whole or not at all. Raises OSError.

    alike: those that look alike; None if that was not looked at.
    """
    said = summary(rows, facts, arrivals)
    if alike is not None:
        said["lookalikes"] = [group.as_json() for group in alike]
    write_whole(out / "results.csv", BOM + as_csv(rows))
    write_whole(out / _SUMMARY, json.dumps(said, indent=2, ensure_ascii=False) + "\n")
    write_whole(out / "index.html", page(rows, said, alike, arrivals))


def page(
    rows: Sequence[Row],
    said: dict[str, Any],
    alike: Sequence[Group] | None,
    arrivals: Arrivals,
) -> str:
    """The table as a page, which sorts, searches and filters itself."""
    script, digest = script_of("table.js")
    return (
        templates()
        .get_template("table.html.jinja")
        .render(
            rows=rows,
            parts=part_names(rows),
            summary=said,
            causes=list(said["causes"].items())[:_TOP_CAUSES],
            people=sorted({item.who for item in rows if item.who}, key=str.casefold),
            arrivals=arrivals,
            alike=alike,
            most=_MOST_MEMBERS,
            clean=clean,
            script=script,
            digest=digest,
        )
    )
