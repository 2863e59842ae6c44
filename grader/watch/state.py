"""What a watcher knows, from which its screen is drawn."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from grader.check import Check
from grader.gpt2.diagnosis.places import told
from grader.report.focus import Focus, focuses
from grader.report.short import Share, shares
from grader.results import CheckResult, Clock, Report
from grader.text import clean

_LINES = re.compile(r"\r\n|\r|\n")  # as Python counts lines
FIRST, ALL, DIFF = "first", "all", "diff"  # what the middle of the screen shows


@dataclass
class Running:
    """A grading that goes on. files: what is graded, if that is one exercise; results: so far."""

    checks: Sequence[Check]
    files: Mapping[str, bytes] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)

    @property
    def failure(self) -> CheckResult | None:
        """What failed first. It stays so: what comes later is built on what came before."""
        return next((result for result in self.results if result.failed), None)

    def shares(self) -> list[Share]:
        """What of each class has passed so far."""
        tops: dict[str, float] = {}
        for check in self.checks:
            if check.points:
                tops[check.part] = tops.get(check.part, 0.0) + check.points
        reached = dict.fromkeys(tops, 0.0)
        for part, points in ((r.check.part, r.points) for r in self.last()):
            reached[part] = reached.get(part, 0.0) + points
        return [Share(name, reached[name], top, "") for name, top in tops.items()]

    def last(self) -> Sequence[CheckResult]:
        """One result for each check: what is judged again counts as it came out then."""
        return list({result.id: result for result in self.results}.values())

    @property
    def done(self) -> int:
        """How many checks have a result."""
        return len(self.last())


@dataclass
class State:
    """All that is shown. before, report: the last two results; notice: one quiet line; thing: which
    of the things to fix is on the screen; hint: the last one taken for it; page: where the page is.
    """

    clock: Callable[[], Clock] | None
    keyboard: bool
    report: Report | None = None
    before: Report | None = None
    running: Running | None = None
    notice: str = ""
    mode: str = FIRST
    thing: int = 0
    hint: str = ""
    scrolled: int = 0
    page: str = ""
    started: float = field(default_factory=time.monotonic)

    def graded(self, report: Report) -> None:
        """A grading is done."""
        self.before, self.report = self.report, report
        self.running, self.notice = None, ""
        self.look(FIRST)

    def look(self, mode: str, thing: int = 0) -> None:
        """Show something else."""
        self.mode, self.thing, self.hint, self.scrolled = mode, thing, "", 0

    @property
    def things(self) -> tuple[Focus, ...]:
        """What there is to fix: of a grading that goes on, what failed first."""
        failure = self.running.failure if self.running else None
        if failure:
            return (_of_result(failure),)
        return focuses(self.report) if self.report else ()

    @property
    def focus(self) -> Focus | None:
        """What is on the screen."""
        things = self.things
        return things[self.thing % len(things)] if things else None

    @property
    def shares(self) -> list[Share]:
        """The points by class."""
        if self.running and self.running.results:
            return self.running.shares()
        return shares(self.report) if self.report else []

    @property
    def results(self) -> Sequence[CheckResult]:
        """Of each check, as far as the grading that goes on has come; else of the last one."""
        if self.running and self.running.results:
            return self.running.last()
        return self.report.results if self.report else ()

    @property
    def time(self) -> tuple[str, bool]:
        """The time left, or since the watch began, and whether it is late."""
        if self.clock is None:
            return _minutes(time.monotonic() - self.started), False
        clock = self.clock()
        left = 60 * (clock.minutes - clock.elapsed)
        return (f"LATE by {_minutes(-left)}" if left < 0 else f"{_minutes(left)} left"), left < 0

    def diff(self) -> list[str]:
        """The lines that the last save changed, as `diff -u` has them."""
        if self.report is not None and self.running and self.running.files:
            old, new = self.report.files, self.running.files
        elif self.report is not None and self.before is not None:
            old, new = self.before.files, self.report.files
        else:
            return []
        found: list[str] = []
        for name in dict.fromkeys([*old, *new]):
            before, after = (_lines(files.get(name, b"")) for files in (old, new))
            found += difflib.unified_diff(before, after, name, name, lineterm="")
        return [clean(line) for line in found]


def _of_result(result: CheckResult) -> Focus:
    """A failure before anything is known of its cause."""
    observed, case = told(result), result.counterexample
    requirement = result.check.requirement
    return Focus(result.check.part, result.id, requirement, observed, (), case, (result.id,))


def _lines(text: bytes) -> list[str]:
    return _LINES.split(text.decode("utf-8", errors="replace"))


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
