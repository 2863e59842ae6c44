"""Whose fault it is that a check broke down.

Whatever a submission's worker sends may make a check stumble, and what stumbles would count neither
for nor against it. So the same check is asked of the worked solution: the grader itself is at fault
only if it stumbles there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grader.catalogue import HANDOUT, Exercise
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.running import run_checks
from grader.sandbox.client import GRADERS_OWN, Server
from grader.submission import UnusableInput

_WORDS = (
    "expected an answer that the check can work with; what came back broke it down ({}). The same "
    "check of the worked solution does not break down"
)


def settled(
    results: Sequence[CheckResult],
    exercise: Exercise,
    evidence: Evidence,
    server: Server,
) -> tuple[CheckResult, ...]:
    """The results, where those in which something of the grader's broke down say whose fault it is.

    exercise: with the check files that were run; evidence: on what they were run.
    """
    broken = [result for result in results if is_broken(result)]
    if not broken:
        return tuple(results)
    ours = _breaks_down_anyway({result.id for result in broken}, exercise, evidence, server)
    return tuple(_settled(r, r.id in ours) if is_broken(r) else r for r in results)


def is_broken(result: CheckResult) -> bool:
    """Whether code of the grader failed, in the parent or, so it says, in the worker."""
    own = result.status == "error" and result.message.startswith(GRADERS_OWN)
    return own or result.status == "internal"


def _settled(result: CheckResult, ours: bool) -> CheckResult:
    if ours:
        return replace(result, status="internal")
    if result.status == "internal":
        return replace(result, status="fail", message=_WORDS.format(result.message))
    return result


def _breaks_down_anyway(
    ids: set[str], exercise: Exercise, evidence: Evidence, server: Server
) -> set[str]:
    """Which of these checks break down on the worked solution, too, where there is one at hand."""
    only = [key for key, check in exercise.checks().items() if check.id in ids]
    try:
        worked = exercise.read(HANDOUT.parent / "solutions" / exercise.file)
    except UnusableInput:
        return set()  # an installed kit has none: then it is the submission's, as most often
    with exercise.subject(worked, server, evidence.subject.timeout) as subject:
        control = Evidence(subject, evidence.seed, evidence.policy, evidence.asked)
        results = run_checks(exercise, control, lambda result: None, only=only)
    return {result.id for result in results if is_broken(result)}
