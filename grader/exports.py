"""Saved reports in other forms, without grading again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grader.batch import saved
from grader.batch.store import report_of
from grader.errors import GraderError
from grader.files import write_whole
from grader.report import grades, table
from grader.report.junit import as_junit
from grader.report.places import name_of
from grader.report.platforms import as_classroom, as_gradescope
from grader.results import SCHEMA_VERSION

Json = dict[str, Any]


class ExportError(GraderError):
    """What was given cannot be exported. The message says why."""


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _csv(reports: Sequence[Json]) -> str:
    return table.BOM + table.as_csv([table.row(name_of(report), report) for report in reports])


# Forms that hold any number of reports, and forms for one.
MANY: dict[str, Callable[[Sequence[Json]], str]] = {"junit": as_junit, "csv": _csv}
ONE: dict[str, Callable[[Json], str]] = {
    "gradescope": lambda report: _text(as_gradescope(report)),
    "classroom": lambda report: _text(as_classroom(report)),
}
PEOPLE = tuple(grades.FORMS)  # forms with a line for each person of a batch


def as_form(form: str, reports: Sequence[Json]) -> str:
    """The reports in a form of MANY or ONE. Raises ExportError."""
    if form in MANY:
        return MANY[form](reports)
    if len(reports) != 1:
        raise ExportError(
            f"a file of {form} holds one report, and there are {len(reports)}: "
            "give a folder as --out"
        )
    return ONE[form](reports[0])


def write(form: str, reports: dict[str, Json], out: Path) -> None:
    """Write them to a file; one for each to a folder, if a file holds but one.

    Raises ExportError or OSError.
    """
    if form in MANY or (len(reports) == 1 and not out.is_dir()):
        write_whole(out, as_form(form, list(reports.values())))
        return
    if out.is_file():
        raise ExportError(f"{out}: a file; {len(reports)} reports of {form} need a folder")
    for name, report in reports.items():
        write_whole(out / f"{name}.json", ONE[form](report))


def of_people(form: str, results: Sequence[Path], title: str | None) -> str:
    """The grades of a batch in a form of PEOPLE. Raises ExportError.

    title: of the assignment, for a gradebook of several.
    """
    if len(results) != 1 or not (results[0] / saved.SUMMARY).is_file():
        raise ExportError(f"{form} takes one folder that `grader batch` wrote")
    try:
        found = saved.load(results[0])
    except saved.SavedError as error:
        raise ExportError(str(error)) from error
    of_whom = grades.grades(found.rows, found.arrivals.people.missing)
    if not of_whom:
        raise ExportError(
            f"{results[0]}: of none of these is it known whose they are. Grade them from a folder "
            "that a platform exported, or with --roster"
        )
    most = max(row.max_score for row in found.rows)
    title = title or str(found.facts.get("exercise", ""))
    return grades.as_text(grades.FORMS[form](of_whom, most, title))


def _listed(results: Path) -> list[Path]:
    """The reports that are in the table of a batch: what was withdrawn since is not."""
    try:
        said = json.loads((results / saved.SUMMARY).read_text(encoding="utf-8"))
        return [report_of(results / told["report"]) for told in said["results"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{results / saved.SUMMARY}: cannot be read ({error}). Run `grader batch` once more"
        ) from error


def load(paths: Sequence[Path]) -> dict[str, Json]:
    """Reports by name, from JSON files, folders of such, and folders that `batch` wrote.

    Raises ExportError.
    """
    files: list[Path] = []
    for path in paths:
        if (path / saved.SUMMARY).is_file():
            files += _listed(path)
        else:
            files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ExportError("no reports there. Give what `grade --json` or `batch` wrote")
    found: dict[str, Json] = {}
    for file in files:
        name = file.stem if file.stem not in found else f"{file.stem}-{len(found) + 1}"
        found[name] = _load(file)
    return found


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
