"""Which failures are only what a named bug does to other checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from grader.bugs import CAUSES, CRASH_SLUGS
from grader.gpt2.diagnosis import observed
from grader.gpt2.models import CLASSES
from grader.results import CheckResult, Diagnosis
from grader.sandbox.client import NOT_FINITE

# Requirements that a bug of this kind may break, where it is not all of them. What else fails in
# its part has another cause.
_ONLY: dict[str, frozenset[str]] = {
    "dropout-ignored": frozenset((".dropout",)),
    "dropout-not-passed": frozenset((".dropout",)),
    "detach-breaks-gradients": frozenset((".gradients", ".causal")),
    "no-grad-in-forward": frozenset((".gradients", ".causal")),
    "differs-in-train-mode": frozenset((".dropout", ".gradients")),
    "position-not-trainable": frozenset((".positions", ".equals")),
    "token-embedding-frozen": frozenset((".tokens", ".logits", ".equals")),
    "position-table-too-small": frozenset((".positions", ".tokens", ".shape", ".equals")),
}


def marked(
    results: Sequence[CheckResult],
    diagnoses: Sequence[Diagnosis],
    stand_ins: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[CheckResult, ...]:
    """The results, with `follows` set on those that a diagnosis of theirs or of an earlier class
    accounts for; of functions, on those that show the very same bug. The check that shows it best
    is not among them.

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
        r
        for r in results
        if r.check.part == diagnosis.part and r.status not in ("pass", "not-run")
        if not r.check.of_file
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
    if passed or result.check.of_file or result.check.id in telling:
        return result
    if part not in CLASSES:
        # What functions do has little to do with one another: only the very same bug accounts.
        same = [d for d in diagnoses if d.cause == result.cause]
        return replace(result, follows=same[0].cause) if same else result
    own = [d for d in diagnoses if d.part == part]
    # Classes are built on those before them.
    earlier = [d for d in diagnoses if d.part in CLASSES[: CLASSES.index(part)]]
    same = [d for d in (*own, *earlier) if d.cause == result.cause]
    because = next((d for d in (*same, *own, *earlier) if _accounts(d, result)), None)
    return result if because is None else replace(result, follows=because.cause)


def _accounts(diagnosis: Diagnosis, result: CheckResult) -> bool:
    """Whether a failure may be what this bug does: it is not what it cannot do."""
    if result.cause == diagnosis.cause or result.status in ("todo", "not-run"):
        return True
    if observed.is_adapted(diagnosis):
        return False
    if diagnosis.cause in CRASH_SLUGS:
        return not result.cause  # another exception is another bug
    if NOT_FINITE in result.message:
        return diagnosis.cause in observed.NOT_FINITE_CAUSES
    kind = f".{result.check.id.rpartition('.')[2]}"
    if diagnosis.cause in _ONLY:
        return kind in _ONLY[diagnosis.cause]
    number = diagnosis.certainty == "exact" and diagnosis.cause not in observed.STRUCTURAL
    return not (number and kind in observed.APART)
