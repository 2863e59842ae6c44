"""Saved reports in other forms, without grading again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grader.report import table
from grader.report.junit import as_junit
from grader.report.model import SCHEMA_VERSION
from grader.report.platforms import as_classroom, as_gradescope

Json = dict[str, Any]


class ExportError(Exception):
    """What was given cannot be exported. The message says why."""


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _csv(reports: Sequence[Json]) -> str:
    return table.as_csv([table.row(report["submission"]["path"], report) for report in reports])


# Forms that hold any number of reports, and forms for one.
MANY: dict[str, Callable[[Sequence[Json]], str]] = {"junit": as_junit, "csv": _csv}
ONE: dict[str, Callable[[Json], str]] = {
    "gradescope": lambda report: _text(as_gradescope(report)),
    "classroom": lambda report: _text(as_classroom(report)),
}
FORMATS = (*MANY, *ONE)


def as_form(form: str, reports: Sequence[Json]) -> str:
    """The reports in a form of FORMATS. Raises ExportError, or NotCounted of `platforms`."""
    if form in MANY:
        return MANY[form](reports)
    if len(reports) != 1:
        raise ExportError(f"{form} takes one report, and there are {len(reports)}")
    return ONE[form](reports[0])


def load(paths: Sequence[Path]) -> list[Json]:
    """Reports from JSON files, from folders of such, and from folders that `batch` wrote.

    Raises ExportError.
    """
    files: list[Path] = []
    for path in paths:
        inside = path / "reports" if (path / "reports").is_dir() else path
        files += sorted(inside.glob("*.json")) if inside.is_dir() else [path]
    if not files:
        raise ExportError("no reports there. Give what `grade --json` or `batch` wrote")
    return [_load(file) for file in files]


def _load(file: Path) -> Json:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ExportError(f"{file}: not JSON ({error})") from None
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise ExportError(
            f"{file}: not a report of this grader: expected schema_version {SCHEMA_VERSION}, "
            f"found {version!r}"
        )
    try:
        for form in (as_junit, _csv):
            form([found])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(
            f"{file}: a report with something missing or misplaced ({type(error).__name__}: "
            f"{error}). Grade again"
        ) from None
    return dict(found)
