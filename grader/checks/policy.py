"""What a submission may use: the part of it that is alike for all exercises."""

from __future__ import annotations

from collections.abc import Sequence

from grader.checks.api import Failure
from grader.checks.evidence import Evidence


def check_policy(evidence: Evidence, seen: Sequence[str] = ()) -> None:
    """Fail under from-scratch for forbidden imports and names, and for what was `seen` besides."""
    found = [f"{v.file}, line {v.line}: {v.what}" for v in evidence.subject.submission.violations]
    found += seen
    if found and evidence.policy == "from-scratch":
        raise Failure("not allowed under the policy from-scratch: " + "; ".join(found))
    for what in found:
        evidence.advise("not-from-scratch", f"allowed by --policy any: {what}")
