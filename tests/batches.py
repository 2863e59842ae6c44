"""What a batch has written, as tests look at it."""

from __future__ import annotations

import csv
import json
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.batch import BatchConfig, executors
from grader.batch.store import report_file
from grader.grading import Options, uniform_report, unread
from grader.submission import Submission


def report(out: Path, name: str) -> dict[str, Any]:
    """The report of one submission."""
    return json.loads(report_file(out, name, "json").read_text(encoding="utf-8"))


def rows(out: Path) -> list[dict[str, str]]:
    """The table."""
    with (out / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def stamps(out: Path) -> dict[str, int]:
    """When each report was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "reports").iterdir()}


class _ByText(Executor):
    """Grades by what was found: what is written passes, a stub or what does not parse fails."""

    def submit(self, function: Any, *given: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        submission, options = given
        future.set_result(replace(_graded(submission, options), isolation_level="full"))
        return future


def _graded(submission: Submission, options: Options) -> Any:
    if submission.error:
        return unread(submission, options, submission.error)
    whole = not submission.problems and not submission.stubs
    return uniform_report(submission, options, "pass" if whole else "fail", "not written")


@pytest.fixture(name="quick")
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run: what is read is all that is looked at."""
    monkeypatch.setattr(
        BatchConfig, "workers", lambda order: nullcontext(executors.Workers(_ByText(), 1))
    )
