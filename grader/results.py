"""What came out of a grading, before it takes any form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from grader.check import Check, Counterexample
from grader.schema import CheckShape, DiagnosisShape, PartShape, ReportShape, SessionShape
from grader.vocabulary import UNSEARCHED, Certainty, IsolationLevel, Policy, Status, Verdict

SCHEMA_VERSION: Literal[1] = 1
WAITING = ("todo", "not-run")  # statuses of what there is nothing to judge of yet
FOUL = ("violation", "protocol")  # statuses that no points outweigh


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome."""

    check: Check
    status: Status
    message: str = ""
    traceback: str = ""
    counterexample: Counterexample | None = None
    seconds: float = 0.0
    cause: str = ""  # the slug of a bug that a failure points to
    proven: bool = False  # whether it was shown that this bug, and nothing else, gives that
    follows: str = ""  # the slug of the diagnosis of which a failure is a consequence
    call: str = ""  # what crashed, with its arguments and shapes
    printed: str = ""  # what the submission printed meanwhile

    @property
    def id(self) -> str:
        """The check's id, such as "attention.causal"."""
        return self.check.id

    @property
    def points(self) -> float:
        """All of the check's points or none."""
        return self.check.points if self.status == "pass" else 0.0

    @property
    def failed(self) -> bool:
        """Whether something is wrong: neither passed nor waiting."""
        return self.status not in ("pass", *WAITING)

    def as_json(self) -> CheckShape:
        """As in the JSON report."""
        found = self.counterexample
        shape: CheckShape = {
            "id": self.check.id,
            "part": self.check.part,
            "requirement": self.check.requirement,
            "status": self.status,
            "points": self.points,
            "max_points": self.check.points,
            "message": self.message,
            "traceback": self.traceback,
            "counterexample": None
            if found is None
            else {"code": found.code, "expected": found.expected, "found": found.found},
            "follows": self.follows,
            "seconds": round(self.seconds, 4),
        }
        if self.check.optional:
            shape["optional"] = True
        if self.call:
            shape["call"] = self.call
        if self.printed:
            shape["printed"] = self.printed
        return shape


@dataclass(frozen=True)
class Diagnosis:
    """A named bug. certainty: "exact" if shown by equality, "likely" if only observed."""

    part: str
    cause: str
    explanation: str
    certainty: Certainty
    leak_map: tuple[tuple[float, ...], ...] = ()  # how much output t moves with input s

    def as_json(self) -> DiagnosisShape:
        """As in the JSON report."""
        shape: DiagnosisShape = {
            "part": self.part,
            "cause": self.cause,
            "explanation": self.explanation,
            "certainty": self.certainty,
        }
        if self.leak_map:
            shape["leak_map"] = self.leak_map
        return shape


@dataclass(frozen=True)
class Mark:
    """A line of the submission that may be in question, and why. place: what to call it, if not
    by file and line.
    """

    file: str
    line: int
    why: str
    place: str = ""


@dataclass(frozen=True)
class Clock:
    """How late it is in a timed session, in minutes."""

    minutes: float
    elapsed: float

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self.elapsed > self.minutes

    @property
    def words(self) -> str:
        """Such as "18 of 30 minutes left", a begun minute counted whole."""
        if self.late:
            return f"LATE by {_minutes(math.ceil(self.elapsed - self.minutes))}"
        return f"{math.ceil(self.minutes - self.elapsed)} of {_minutes(self.minutes)} left"

    def as_json(self) -> SessionShape:
        """As in the JSON report."""
        elapsed = round(self.elapsed, 2)
        return {"minutes": self.minutes, "elapsed": elapsed, "late": self.late}


def _minutes(count: float) -> str:
    return f"{count:,.10g} minute" if count == 1 else f"{count:,.10g} minutes"


@dataclass(frozen=True)
class Report:
    """Everything that is said about one submission.

    kit: which one graded; timeout: seconds for each check, budget: for all together; rubric:
    which points it went by, "" for the shipped ones; pass_mark: points with which it passes,
    whatever else fails.
    judged_by: how each part was judged; stand_ins: in place of which classes the grader's own were
    put, for parts for which some were;
    files: what was handed in, by name, as it was; marks: lines of it that may be in question.
    """

    exercise: str
    path: str
    file: str
    sha256: str
    seed: int
    policy: Policy
    isolation_level: IsolationLevel
    isolation_mechanisms: tuple[str, ...]
    results: tuple[CheckResult, ...]
    advisories: dict[str, str] = field(default_factory=dict)
    judged_by: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    diagnoses: tuple[Diagnosis, ...] = ()
    seconds: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    clock: Clock | None = None  # of the session in which it was graded
    kit: str = ""
    timeout: float = 0.0
    budget: float = 0.0
    rubric: str = ""
    pass_mark: float | None = None
    base: str = ""  # the folder of the exercise that this one builds on, if it was given
    unreadable: str = ""  # why nothing of it could be looked at
    only: str = ""  # the class or function that alone was judged, if not all
    twists: tuple[str, ...] = ()  # what was asked in place of GPT-2's own choices
    ungraded: bool = False  # whether that is for a person to look into, and no fault to count

    @property
    def verdict(self) -> Verdict:
        """`pass` if every check passed that has to, `ungraded` if nothing could be read,
        `internal` if the grader failed, else `fail`.

        With a pass mark the points decide, and the checks that have none or whose work others did.
        """
        if self.ungraded:
            return "ungraded"
        statuses = {result.status for result in self.results}
        if "internal" in statuses or not self.results:
            return "internal"
        missed = [r for r in self.results if r.status != "pass" and not r.check.optional]
        if self.pass_mark is not None:
            missed = [
                r for r in missed if not r.check.points or r.check.of_policy or r.check.needed
            ]
        enough = self.pass_mark is None or self.score >= self.pass_mark
        return "pass" if enough and not missed and not statuses & set(FOUL) else "fail"

    @property
    def asked(self) -> str:
        """The exercise, and with which twists."""
        told = f" with {', '.join(self.twists)}" if self.twists else ""
        return f"{self.exercise}{told}"

    @property
    def score(self) -> float:
        """Points reached."""
        return sum(result.points for result in self.results)

    @property
    def max_score(self) -> float:
        """Points to be had."""
        return sum(result.check.points for result in self.results)

    @property
    def untouched(self) -> bool:
        """Whether nothing has been written yet."""
        judged = {r.status for r in self.results if r.check.points}
        return not self.unreadable and judged <= set(WAITING)

    @property
    def problems(self) -> tuple[tuple[CheckResult, ...], ...]:
        """What failed and follows from nothing named; what the very same words say, together."""
        groups: dict[object, list[CheckResult]] = {}
        for result in self.results:
            if result.failed and not result.follows:
                key = (result.status, result.message, result.traceback)
                groups.setdefault(key, []).append(result)
        return tuple(map(tuple, groups.values()))

    def printed(self, limit: int) -> list[tuple[str, str]]:
        """Ids of checks, those that failed first, and lines that were printed in them: each of
        these once, and `limit` of them at most.
        """
        known: set[str] = set()
        shown = []
        for result in sorted(self.results, key=lambda r: not r.failed):
            fresh = [line for line in result.printed.splitlines() if line not in known]
            fresh = fresh[: limit - len(known)]
            known.update(fresh)
            if fresh:
                shown.append((result.check.id, "\n".join(fresh)))
        return shown

    @property
    def followers(self) -> tuple[CheckResult, ...]:
        """What failed as the consequence of a bug that is named."""
        return tuple(r for r in self.results if r.failed and r.follows)

    @property
    def waiting(self) -> tuple[CheckResult, ...]:
        """What there is nothing to judge of yet."""
        return () if self.unreadable else tuple(r for r in self.results if r.status in WAITING)

    @property
    def undiagnosed(self) -> tuple[str, ...]:
        """Parts that fail for a reason that has no name here."""
        results = [r for r in self.results if not r.check.of_file and r.cause not in UNSEARCHED]
        failing = {r.check.part for r in results if r.status in ("fail", "error")}
        failing -= {r.check.part for r in self.results if r.follows}
        named = {diagnosis.part for diagnosis in self.diagnoses}
        return tuple(part for part in self.parts() if part in failing - named)

    def parts(self) -> dict[str, tuple[CheckResult, ...]]:
        """Results by part, in order; checks without points are no part's."""
        names = dict.fromkeys(r.check.part for r in self.results if r.check.points)
        return {name: tuple(r for r in self.results if r.check.part == name) for name in names}

    def as_json(self) -> ReportShape:
        """The report as plain JSON values, schema version 1."""
        shape: ReportShape = {
            "schema_version": SCHEMA_VERSION,
            "exercise": self.exercise,
            "passed": self.verdict == "pass",
            "verdict": self.verdict,
            "score": self.score,
            "max_score": self.max_score,
            "seed": self.seed,
            "policy": self.policy,
            "timeout": self.timeout,
            "kit": self.kit,
            "rubric": self.rubric,
            "submission": {"path": self.path, "file": self.file, "sha256": self.sha256},
            "isolation": {
                "level": self.isolation_level,
                "mechanisms": list(self.isolation_mechanisms),
            },
            "parts": [self._part(name, results) for name, results in self.parts().items()],
            "checks": [result.as_json() for result in self.results],
            "diagnoses": [diagnosis.as_json() for diagnosis in self.diagnoses],
            "undiagnosed": list(self.undiagnosed),
            "advisories": [
                {"id": id, "message": message} for id, message in self.advisories.items()
            ],
            "seconds": round(self.seconds, 3),
        }
        if self.pass_mark is not None:
            shape["pass_mark"] = self.pass_mark
        if self.base:
            shape["base"] = self.base
        if self.only:
            shape["only"] = self.only
        if self.budget:
            shape["budget"] = self.budget
        if self.twists:
            shape["twists"] = self.twists
        if self.unreadable:
            shape["unreadable"] = self.unreadable
        if self.clock:
            shape["session"] = self.clock.as_json()
        return shape

    def _part(self, name: str, results: tuple[CheckResult, ...]) -> PartShape:
        shape: PartShape = {
            "name": name,
            "score": total(results),
            "max_score": sum(r.check.points for r in results),
            "judged_by": self.judged_by.get(name, ""),
        }
        if name in self.stand_ins:
            shape["stand_ins"] = self.stand_ins[name]
        return shape


def total(results: Iterable[CheckResult]) -> float:
    """Points reached in these checks."""
    return sum(result.points for result in results)
