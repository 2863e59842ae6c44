"""What a submission may use, and where it would run: what is alike for all exercises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from grader.checks.api import Failure, NotRun
from grader.checks.evidence import Evidence
from grader.remote import CandidateError
from grader.remote.function import Returned
from grader.submission import Violation


def check_policy(evidence: Evidence, seen: Sequence[str] = ()) -> None:
    """Fail under from-scratch for forbidden things that are used, and for what was `seen` besides.

    What is not used costs nothing.
    """
    violations = evidence.subject.submission.violations
    found = [f"{_place(v)}: {v.what}" for v in violations if v.users]
    found += seen
    idle = [f"{_place(v)} ({v.what})" for v in violations if not v.users]
    if idle:
        evidence.advise(
            "unused", f"Nothing of the exercise uses this, which costs nothing: {'; '.join(idle)}."
        )
    if found and evidence.policy == "from-scratch":
        raise Failure("not allowed under the policy from-scratch: " + "; ".join(found))
    for what in found:
        evidence.advise("not-from-scratch", f"allowed by --policy any: {what}")


def _place(violation: Violation) -> str:
    return f"{violation.file}, line {violation.line}"


def advise_on_devices(evidence: Evidence, watched: Callable[[], Iterable[Returned]]) -> None:
    """Tell of what would fail on a GPU, as seen in calls that are watched."""
    stranded: list[str] = []
    # What does not run is judged elsewhere.
    with suppress(CandidateError, Failure, NotRun):
        for returned in watched():
            stranded += returned.stranded
    advise_of_stranded(evidence, stranded)


def advise_of_stranded(evidence: Evidence, stranded: Sequence[str]) -> None:
    """Tell of functions that would mix devices, if there are any."""
    if stranded:
        evidence.advise(
            "device",
            "A tensor made on the CPU (without a device, or kept without register_buffer) meets "
            f"others in {', '.join(dict.fromkeys(stranded[:3]))}: on a GPU this would fail.",
        )
