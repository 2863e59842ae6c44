"""Bugs that failing checks point to without any search."""

from __future__ import annotations

from collections.abc import Sequence

from grader.bugs import CRASH_SLUGS, with_trait
from grader.results import CheckResult, Diagnosis

STRUCTURAL = with_trait("structural")
NOT_FINITE_CAUSES = with_trait("not-finite")
UNSTEADY = with_trait("unsteady")
_OF_WEIGHTS = with_trait("of-weights")
# The one is all that the other says, and more.
_IMPLIES = {
    "position-table-of-vocab-size": ("position-table-too-small", "index-out-of-range"),
    "not-finite": ("state-kept-between-calls",),  # NaN is another number each time
}
# Requirements that a wrong number, as any deviation gives it, does not touch: what fails there
# beside a deviation that is shown by equality has a cause of its own.
APART = frozenset((".signature", ".shape", ".dropout", ".deterministic", ".gradients"))
# Of several, the one that explains the others comes first.
_ORDER = (
    "not-implemented",
    "wrong-signature",
    "forward-requires-targets",
    # All else that is seen of weights that are not there is wrong.
    "not-registered-until-called",
    "not-registered",
    "returns-tuple",
    *sorted(CRASH_SLUGS),
    "blocks-not-registered",
    "wrong-dtype",
    "output-transposed",
    "logits-only-last-position",
    "head-missing",
    "head-wrong-size",
    "mutates-input",
    "no-grad-in-forward",
    "mask-not-in-training",
    "dropout-always-on",
    "randomness-in-eval",
    "state-kept-between-calls",
)


_FUNCTIONAL = (
    "batch-mixing",
    "leak-via-sequence-mean",
    "mask-strict",
    "heads-mixed-view",
    "mask-none",
    "mask-too-weak",
    "mask-after-softmax",
    "hard-coded-heads",
    "ignores-num-heads",
)


def is_adapted(diagnosis: Diagnosis) -> bool:
    """Whether a class has other names or arguments than the brief's, and was built with its own:
    nothing else is lost by that.
    """
    return diagnosis.cause == "wrong-signature" and diagnosis.certainty == "exact"


def observed(results: Sequence[CheckResult]) -> list[tuple[str, CheckResult]]:
    """(slug, the result that points to it) for a part's failing checks, telling ones first.

    What is observed of the function that is computed is one thing, however it shows.
    """
    found: dict[str, CheckResult] = {}
    for result in _first_to_ask(results):
        cause = _refined(result)
        if cause:
            found.setdefault(cause, result)
    for specific, implied in _IMPLIES.items():
        for general in implied if specific in found else ():
            found.pop(general, None)
    ranked = sorted(found.items(), key=lambda item: _rank(item[0]))
    if ranked and ranked[0][0] in _ORDER:
        return ranked[:1]
    functional = [item for item in ranked if item[0] not in STRUCTURAL]
    return [item for item in ranked if item[0] in STRUCTURAL] + functional[:1]


def _first_to_ask(results: Sequence[CheckResult]) -> Sequence[CheckResult]:
    """The results whose causes count: what fails in plain use explains how it fails in others."""
    plain = [result for result in results if not result.check.id.endswith(".ways")]
    return plain if any(map(_refined, plain)) else results


def stands_beside(cause: str, result: CheckResult) -> bool:
    """Whether what a check observed is another bug than a deviation that is shown by equality."""
    if result.proven:
        return True
    suffix = f".{result.check.id.rpartition('.')[2]}"
    return cause in STRUCTURAL and (suffix in APART or cause in _OF_WEIGHTS)


def _rank(cause: str) -> int:
    if cause in _ORDER:
        return _ORDER.index(cause)
    return len(_ORDER) + (_FUNCTIONAL.index(cause) if cause in _FUNCTIONAL else 0)


def _refined(result: CheckResult) -> str:
    """A fault's cause, with what the part says about it."""
    targets = result.check.part == "GPT2" and "forward() missing" in result.message
    return "forward-requires-targets" if targets else result.cause
