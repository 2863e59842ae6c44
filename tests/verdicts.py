"""The verdict on a known submission, whole or as soon as it is clear."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from grader.checks.catalogue import EXERCISES
from grader.checks.evidence import Evidence
from grader.checks.models import CLASSES
from grader.grading import Options, Stopped, grade, run_checks
from grader.remote import Server, Subject
from grader.report.model import CheckResult
from grader.submission import read
from tests.bank import Known


def whole(submission: Known, seed: int, server: Server) -> str:
    """The verdict after all checks."""
    return grade(submission.path, Options(seed=seed), server=server).verdict


def until_it_fails(submission: Known, seed: int, server: Server) -> str:
    """The verdict of the checks of the part that the header blames, up to the first that fails."""
    exercise = EXERCISES["gpt2"]
    part = {c.part: name.split("::")[0] for name, c in exercise.checks().items()}
    only = replace(exercise, modules=(part[submission.header["part"]],))
    failed: list[str] = []

    def stop(result: CheckResult) -> None:
        if result.status not in ("pass", "not-run"):
            failed.append("internal" if result.status == "internal" else "fail")
            raise Stopped

    given = read(submission.path, exercise.file)
    with suppress(Stopped), Subject(given, server, CLASSES, 10.0) as subject:
        run_checks(only, Evidence(subject, seed), stop)
    return failed[0] if failed else "pass"
