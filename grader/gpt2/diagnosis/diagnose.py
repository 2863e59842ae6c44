"""What is wrong with each part of a submission, by name, and what follows from what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from grader.bugs import CAUSES, CRASH_SLUGS, with_trait
from grader.check import NotRun
from grader.gpt2 import twists
from grader.gpt2.diagnosis import (
    attention,
    crashes,
    leak_map,
    mlp,
    not_finite,
    observed,
    places,
    registered,
    twisted,
    wiring,
)
from grader.gpt2.evidence import Evidence
from grader.gpt2.specification import GPT2
from grader.results import CheckResult, Diagnosis
from grader.sandbox.client import NOT_FINITE, CandidateError, WorkerLost
from grader.vocabulary import UNSEARCHED

_SEARCHES: dict[str, Callable[[Evidence], tuple[str, ...]]] = {
    "CausalSelfAttention": attention.causes,
    "MLP": mlp.causes,
    "TransformerBlock": wiring.block_causes,
    "GPT2": wiring.model_causes,
}
# What else a part may be than is asked for with twists, and the fields that say what it is to be.
_TWISTED: dict[str, tuple[Callable[[Evidence], tuple[str, ...]], tuple[str, ...]]] = {
    "CausalSelfAttention": (
        twisted.attention_causes,
        ("window", "positions", "keys", "qk_norm"),
    ),
    "MLP": (twisted.mlp_causes, ("mlp",)),
}


# What is built on a part that has one of these does not work either.
_FATAL = with_trait("fatal", "not-finite")


def diagnose(
    evidence_of: Callable[[str], Evidence],
    results: Sequence[CheckResult],
    stand_ins: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[Diagnosis, ...]:
    """The bugs of every part that fails a check.

    evidence_of: on what each part was judged; stand_ins: in place of which parts the grader's own
    were put for it, whose bugs it does not feel.
    """
    found: list[Diagnosis] = []
    of_parts = [r for r in results if not r.check.of_file and r.cause not in UNSEARCHED]
    for part in dict.fromkeys(r.check.part for r in of_parts if r.check.points):
        failing = [r for r in of_parts if r.check.part == part and r.status != "pass"]
        if failing:
            unfelt = stand_ins.get(part, ())
            felt = [d for d in found if d.part not in unfelt and not observed.is_adapted(d)]
            earlier = frozenset(d.cause for d in felt)
            evidence = evidence_of(part)
            try:
                new = _of_part(evidence, part, failing, earlier)
                said = any(map(observed.is_adapted, found))  # once is enough
                found += [d for d in new if not (said and observed.is_adapted(d))]
            except Exception as error:  # a verdict stands, whether or not its cause has a name
                fault = f"{type(error).__name__}: {error}"
                evidence.advise("no-diagnosis", f"The grader failed to name the cause: {fault}")
    return tuple(found)


def _of_part(
    evidence: Evidence,
    part: str,
    failing: Sequence[CheckResult],
    earlier: frozenset[str],
) -> list[Diagnosis]:
    seen_of_part = observed.observed(failing)
    exact: tuple[str, ...] = ()
    nan: tuple[str, ...] = ()  # that deviation, where it gives NaN
    evidence.subject.enter(f"diagnosis of {part}")
    evidence.subject.start_clock()
    # What answers by chance or by the calls before may equal any deviation once, and be none.
    steady = not any(seen in observed.UNSTEADY for seen, _ in seen_of_part)
    if steady and part in _SEARCHES:
        with suppress(CandidateError, WorkerLost, NotRun):
            nan = _with_nan(evidence, part, seen_of_part)
            exact = nan or _exact(evidence, part)
    if not exact and part in _SEARCHES:
        unregistered = _unregistered(evidence, part, seen_of_part, failing)
        if unregistered:
            return unregistered
    diagnoses = [
        Diagnosis(part, cause, _explained(evidence, cause), "exact", _map(evidence, part, cause))
        for cause in exact
    ]
    for seen, result in seen_of_part:
        cause, words = _told_apart(evidence, part, seen, result)
        named = {diagnosis.cause for diagnosis in diagnoses}
        if cause in named or cause not in CAUSES or _follows(cause, earlier):
            continue
        if exact and not observed.stands_beside(cause, result):
            continue
        if nan and NOT_FINITE in result.message:
            continue
        if result.proven and cause == result.cause:
            diagnoses.append(Diagnosis(part, cause, _explained(evidence, cause), "exact"))
            continue
        explanation = f"{_explained(evidence, cause)} Observed: {words or places.told(result)}"
        picture = _map(evidence, part, cause)
        diagnoses.append(Diagnosis(part, cause, explanation, "likely", picture))
    if part == "GPT2" and not earlier and not _value_is_named(diagnoses):
        diagnoses = _of_positions(evidence) or diagnoses
    return diagnoses


def _exact(evidence: Evidence, part: str) -> tuple[str, ...]:
    """The slugs of what computes just what the part computes.

    Among what GPT-2 is taken for only where that part is to be GPT-2's.
    """
    asked = evidence.asked
    if asked != GPT2 and part in _TWISTED:
        search, fields = _TWISTED[part]
        if found := search(evidence):
            return found
        if any(getattr(asked, field) != getattr(GPT2, field) for field in fields):
            return ()
    return _SEARCHES[part](evidence)


def _explained(evidence: Evidence, cause: str) -> str:
    """What a slug says of a submission, beside what is asked."""
    told = twists.explanation(cause, evidence.asked)
    return f"{told} {CAUSES[cause].where}" if told else CAUSES[cause].explanation


def _with_nan(
    evidence: Evidence, part: str, seen_of_part: Sequence[tuple[str, CheckResult]]
) -> tuple[str, ...]:
    """The slugs of a deviation that computes what the class computes, NaN included."""
    seen = any(NOT_FINITE in result.message for _, result in seen_of_part)
    return not_finite.exact(evidence) if seen and part == not_finite.ATTENTION else ()


def _unregistered(
    evidence: Evidence,
    part: str,
    seen_of_part: Sequence[tuple[str, CheckResult]],
    failing: Sequence[CheckResult],
) -> list[Diagnosis]:
    """Weights that are no parameters, which explains more than anything that is seen of them."""
    if any(seen in CRASH_SLUGS for seen, _ in seen_of_part):
        return []
    words = registered.missing(evidence, part)
    if not words:
        return []
    seen = {result.cause for result in failing}
    told = ("blocks-not-registered", "not-registered-until-called")
    cause = next((cause for cause in told if cause in seen), "not-registered")
    explanation = f"{CAUSES[cause].explanation} Observed: {words}"
    return [Diagnosis(part, cause, explanation, "likely")]


def _value_is_named(diagnoses: Sequence[Diagnosis]) -> bool:
    return any(d.certainty == "exact" or d.cause not in _OF_SIZE for d in diagnoses)


# Crashes that a fixed table of positions may be behind, at some width or length.
_OF_SIZE = frozenset(("sizes-differ", "crashes", "view-wrong-size", "index-out-of-range"))


def _of_positions(evidence: Evidence) -> list[Diagnosis]:
    """What a GPT2's behaviour at its first size says of its positions."""
    with suppress(CandidateError, WorkerLost, NotRun):
        cause = wiring.model_properties(evidence)
        if cause:
            return [Diagnosis("GPT2", cause, CAUSES[cause].explanation, "likely")]
    return []


def _told_apart(evidence: Evidence, part: str, seen: str, result: CheckResult) -> tuple[str, str]:
    """What is behind a crash, or behind NaN, as far as it can be told, and what was found."""
    if result.status == "fail" and NOT_FINITE in result.message and part in _SEARCHES:
        return not_finite.observed(evidence, part)
    if seen not in CRASH_SLUGS or result.status != "error" or part not in _SEARCHES:
        return seen, ""
    if part in evidence.subject.submission.unwritten:
        return "not-implemented", ""
    return crashes.why(evidence, part, result)


def _map(evidence: Evidence, part: str, cause: str) -> tuple[tuple[float, ...], ...]:
    """The leak map of a part, for causes that show in it."""
    if cause in leak_map.SHOWN:
        with suppress(CandidateError, WorkerLost, NotRun):
            return leak_map.leak_map(evidence, part)
    return ()


def _follows(cause: str, earlier: frozenset[str]) -> bool:
    """Whether what is seen of a part is what an earlier one does to it."""
    return cause in earlier or bool(earlier & _FATAL and cause in _FATAL)
