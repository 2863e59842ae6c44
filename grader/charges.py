"""What a submission loses that has others do the work which the exercise asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.catalogue import Exercise
from grader.gpt2.policy import IMPORT
from grader.results import CheckResult
from grader.text import clean
from grader.vocabulary import NOT_FROM_SCRATCH


def charged(
    exercise: Exercise, results: Sequence[CheckResult], charges: Mapping[str, str]
) -> tuple[CheckResult, ...]:
    """The results, of which those about what is charged fail.

    charges: a class or function of the exercise, or IMPORT -> why.
    """
    modules = {key.split("::")[0]: check.id for key, check in exercise.checks().items()}
    reasons: dict[str, str] = {}
    for key, check in exercise.checks().items():
        module = key.split("::")[0]
        for name, why in charges.items():
            judged = exercise.judged_in.get(name, tuple(modules))
            concerned = check.of_file if name == IMPORT else module in judged and not check.of_file
            if concerned:
                reasons.setdefault(check.id, why)
    return tuple(_charged(result, reasons.get(result.check.id)) for result in results)


def _charged(result: CheckResult, why: str | None) -> CheckResult:
    if why is None or result.status != "pass" or not result.check.points:
        return result
    return CheckResult(
        result.check, "fail", clean(why), seconds=result.seconds, cause=NOT_FROM_SCRATCH
    )
