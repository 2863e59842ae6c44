"""Which failures are only what a named bug does to other checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from grader.checks.models import CLASSES
from grader.oracle.causes import CAUSES
from grader.report.model import CheckResult, Diagnosis


def marked(
    results: Sequence[CheckResult],
    diagnoses: Sequence[Diagnosis],
    stand_ins: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[CheckResult, ...]:
    """The results, with `follows` set on those that a diagnosis of theirs or of an earlier part
    accounts for. The check that shows a bug best is not among them.

    stand_ins: in place of which parts the grader's own were put for a part; nothing of it follows
    from theirs.
    """
    telling = {_telling(results, diagnosis) for diagnosis in diagnoses}
    return tuple(
        _marked(
            result,
            [d for d in diagnoses if d.part not in stand_ins.get(result.check.part, ())],
            telling,
        )
        for result in results
    )


def _telling(results: Sequence[CheckResult], diagnosis: Diagnosis) -> str:
    """The id of the failing check that shows this bug best."""
    failing = [
        r for r in results if r.check.part == diagnosis.part and r.status not in ("pass", "not-run")
    ]
    seen = [r.check.id for r in failing if r.cause == diagnosis.cause]
    named = [
        r.check.id
        for wanted in CAUSES[diagnosis.cause].checks
        for r in failing
        if r.check.id == wanted or (wanted.startswith(".") and r.check.id.endswith(wanted))
    ]
    return next(iter([*named, *seen, *(r.check.id for r in failing)]), "")


def _marked(result: CheckResult, diagnoses: Sequence[Diagnosis], telling: set[str]) -> CheckResult:
    part = result.check.part
    passed = result.status in ("pass", "internal") or not result.check.points
    if passed or result.check.id in telling:
        return result
    own = [d for d in diagnoses if d.part == part]
    # Classes are built on those before them.
    before = CLASSES[: CLASSES.index(part)] if part in CLASSES else ()
    earlier = [d for d in diagnoses if d.part in before]
    same = [d for d in (*own, *earlier) if d.cause == result.cause]
    because = next(iter([*same, *own, *earlier]), None)
    return result if because is None else replace(result, follows=because.cause)
