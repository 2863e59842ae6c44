"""What a submission may use, and where it would run: what is alike for all exercises."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from grader.check import Failure, NotRun
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned
from grader.submission import Violation

IMPORT = "import"  # what is charged for a package that is used, and does not do the work


def check_policy(
    evidence: Evidence,
    seen: Mapping[str, Sequence[str]] = MappingProxyType({}),
    leaves: Collection[str] | None = None,
) -> None:
    """Fail under from-scratch for forbidden things that are used, and note what that costs.

    seen: what was seen besides, by the class that does it; leaves: classes whose tensors are given
    to other packages; None where that is not known. What is not used costs nothing.
    """
    violations = evidence.subject.submission.violations
    found = [f"{_place(v)}: {v.what}" for v in violations if v.users]
    found += dict.fromkeys(word for words in seen.values() for word in words)
    idle = [f"{_place(v)} ({v.what})" for v in violations if not v.users]
    if idle:
        evidence.advise(
            "unused", f"Nothing of the exercise uses this, which costs nothing: {'; '.join(idle)}."
        )
    if found and evidence.policy == "from-scratch":
        _charge(evidence, seen, leaves)
        raise Failure("not allowed under the policy from-scratch: " + "; ".join(found))
    for what in found:
        evidence.advise("not-from-scratch", f"allowed by --policy any: {what}")


def _charge(
    evidence: Evidence, seen: Mapping[str, Sequence[str]], leaves: Collection[str] | None
) -> None:
    """Note for each class or function why it gets no points: its work is done by others.

    A package that is used for a number or two costs the points of the import alone.
    """
    subject = evidence.subject
    for name, words in seen.items():
        evidence.charges[name] = f"{name} is not written from scratch: {'; '.join(words)}"
    for violation in subject.submission.violations:
        for name in violation.users:
            by_hand = violation.package and name not in _at_work(leaves, violation)
            charged = IMPORT if by_hand else name
            if charged == IMPORT and violation.package in subject.loading.missing:
                continue  # what uses it cannot run, which costs more
            place = _place(violation)
            words = f"{name} is not written from scratch: {violation.what} ({place})"
            if charged == IMPORT:
                words = f"{place}: imports {violation.package}, which {name} uses, and torch and "
                words += "Python's own library have to do"
            evidence.charges.setdefault(charged, words)


def _at_work(leaves: Collection[str] | None, violation: Violation) -> Collection[str]:
    """Of the classes that use a package, those for which it does the work, as far as is known."""
    if leaves is not None:
        return leaves
    return () if violation.package == "numpy" else violation.users


def _place(violation: Violation) -> str:
    return f"{violation.file}, line {violation.line}"


def advise_on_devices(evidence: Evidence, watched: Callable[[], Iterable[Returned]]) -> None:
    """Tell of what would fail on a GPU, as seen in calls that are watched."""
    device_mismatches: list[str] = []
    # What does not run is judged elsewhere.
    with suppress(CandidateError, Failure, NotRun):
        for returned in watched():
            device_mismatches += returned.device_mismatches
    advise_of_stranded(evidence, device_mismatches)


def advise_of_stranded(evidence: Evidence, device_mismatches: Sequence[str]) -> None:
    """Tell of functions that would mix devices, if there are any."""
    if device_mismatches:
        evidence.advise(
            "device",
            "A tensor made on the CPU (without a device, or kept without register_buffer) meets "
            f"others in {', '.join(dict.fromkeys(device_mismatches[:3]))}: on a GPU this fails.",
        )
