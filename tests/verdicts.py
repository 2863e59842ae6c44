"""The verdict on a known submission, whole or as soon as it is clear."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from grader.catalogue import EXERCISES, Exercise
from grader.gpt2.evidence import Evidence
from grader.grading import Options, grade
from grader.results import CheckResult
from grader.running import Stopped, run_checks
from grader.sandbox.client import Server
from tests.bank import Known, base_of


def whole(submission: Known, seed: int, server: Server, exercise: str = "gpt2") -> str:
    """The verdict after all checks."""
    base = base_of(exercise, submission.path)
    return grade(submission.path, Options(exercise, seed, base=base), server=server).verdict


def until_it_fails(
    submission: Known,
    seed: int,
    server: Server,
    exercise: str = "gpt2",
    judged: Exercise | None = None,
) -> str:
    """The verdict of the checks of the part that the header blames, up to the first that fails.

    judged: the exercise as it is asked, if with twists.
    """
    judged = judged or EXERCISES[exercise]
    part = submission.header["part"]
    blamed = {name.split("::")[0] for name, check in judged.checks().items() if check.part == part}
    only = replace(judged, modules=tuple(m for m in judged.modules if m in blamed))
    failed: list[str] = []

    def stop(result: CheckResult) -> None:
        if result.status not in ("pass", "not-run"):
            failed.append("internal" if result.status == "internal" else "fail")
            raise Stopped

    given = judged.read(submission.path, base_of(exercise, submission.path))
    with suppress(Stopped), judged.subject(given, server, 10.0) as subject:
        run_checks(only, Evidence(subject, seed, asked=judged.asked), stop)
    return failed[0] if failed else "pass"
