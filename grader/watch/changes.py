"""What is different from one report to the next."""

from __future__ import annotations

from dataclasses import dataclass

from grader.results import CheckResult, Report


@dataclass(frozen=True)
class Changes:
    """before, after: points; fixed, broken, other: checks whose status is another one now."""

    before: float
    after: float
    fixed: tuple[CheckResult, ...]
    broken: tuple[CheckResult, ...]
    other: tuple[CheckResult, ...]

    def __bool__(self) -> bool:
        return bool(self.fixed or self.broken or self.other)


def changes(before: Report, after: Report) -> Changes:
    """What the newer report says of a check that the older one did not."""
    earlier = {result.check.id: result.status for result in before.results}
    changed = [r for r in after.results if earlier.get(r.check.id) != r.status]
    fixed = tuple(r for r in changed if r.status == "pass")
    broken = tuple(r for r in changed if earlier.get(r.check.id) == "pass")
    rest = tuple(r for r in changed if r not in fixed and r not in broken)
    return Changes(before.score, after.score, fixed, broken, rest)
