"""The short report as a terminal of a size shows it."""

from __future__ import annotations

import io

from rich.console import Console

from grader.report import short
from grader.results import Report

ROWS, COLUMNS = 24, 80


def shown(report: Report, columns: int = COLUMNS, rows: int = ROWS) -> str:
    """What is printed where there are so many columns and rows."""
    file = io.StringIO()
    short.show(report, Console(file=file, width=columns, highlight=False), rows)
    return file.getvalue()


def assert_one_screenful(report: Report, cause: str) -> None:
    """Verdict, cause and line stand on a screen of 80 × 24, with the prompt below."""
    text = shown(report)
    assert len(text.splitlines()) < ROWS, text
    assert text.startswith(report.verdict.upper())
    assert cause in text
    assert ", line " in text
    assert "isolation" not in text
    assert f"seed {report.seed}" not in text
