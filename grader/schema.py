"""The shape of a report as JSON, of which docs/report-schema.json is made.

A key of a class that ends in `Rest` may be missing. Sums of points are floats, times seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from grader.vocabulary import Certainty, IsolationLevel, Policy, Status, Verdict


class SubmissionShape(TypedDict):
    """What was graded: its path, the exercise's file, the hash of all that counts."""

    path: str
    file: str
    sha256: str


class IsolationShape(TypedDict):
    """How the submission was locked in."""

    level: IsolationLevel
    mechanisms: list[str]


class _PartRest(TypedDict, total=False):
    stand_ins: Sequence[str]


class PartShape(_PartRest):
    """A class or function of the exercise.

    judged_by: how, "" where nothing was; stand_ins: classes in place of which the grader's own
    were put.
    """

    name: str
    score: float
    max_score: float
    judged_by: str


class CounterexampleShape(TypedDict):
    """The smallest case found: code that runs beside the submission, and what it shows."""

    code: str
    expected: str
    found: str


class _CheckRest(TypedDict, total=False):
    optional: Literal[True]
    call: str
    printed: str


class CheckShape(_CheckRest):
    """One check. follows: the cause of which its failure is a consequence, or "".

    optional: there only if a pass does not need it; call: what crashed, with its arguments;
    printed: what the submission printed meanwhile.
    """

    id: str
    part: str
    requirement: str
    status: Status
    points: float
    max_points: float
    message: str
    traceback: str
    counterexample: CounterexampleShape | None
    follows: str
    seconds: float


class _DiagnosisRest(TypedDict, total=False):
    leak_map: Sequence[Sequence[float]]


class DiagnosisShape(_DiagnosisRest):
    """A named bug. leak_map: how much output t (row) moves with input s (column)."""

    part: str
    cause: str
    explanation: str
    certainty: Certainty


class AdvisoryShape(TypedDict):
    """What passes and is worth a word."""

    id: str
    message: str


class SessionShape(TypedDict):
    """The clock of a timed session. In minutes."""

    minutes: float
    elapsed: float
    late: bool


class GradedShape(TypedDict):
    """What the grader said."""

    verdict: Verdict
    passed: bool
    score: float


class ByHandShape(TypedDict):
    """What a person decided, by which `verdict` and `score` go. points: None if it was set aside;
    sha256: of the text that it was about; words: what is told.
    """

    why: str
    when: str
    by: str
    points: float | None
    sha256: str
    words: str
    graded: GradedShape


class _ReportRest(TypedDict, total=False):
    pass_mark: float
    base: str
    only: str
    budget: float
    twists: tuple[str, ...]
    unreadable: str
    by_hand: ByHandShape
    session: SessionShape


class ReportShape(_ReportRest):
    """Everything that is said about one submission.

    passed: whether the verdict is "pass"; seed: replays the grading; timeout: of each check, and
    budget: of all together; kit: which grader; rubric: which points it went by, "" for the shipped
    ones; undiagnosed: parts that fail for a reason without a name; pass_mark: points that suffice;
    base: the folder of the exercise that this one builds on, if it was given; only: the class or
    function that alone was judged; twists: what was asked in place of GPT-2's own choices;
    unreadable: why nothing could be looked at; by_hand: what a person decided, in a report of a
    batch.
    """

    schema_version: Literal[1]
    exercise: str
    passed: bool
    verdict: Verdict
    score: float
    max_score: float
    seed: int
    policy: Policy
    timeout: float
    kit: str
    rubric: str
    submission: SubmissionShape
    isolation: IsolationShape
    parts: list[PartShape]
    checks: list[CheckShape]
    diagnoses: list[DiagnosisShape]
    undiagnosed: list[str]
    advisories: list[AdvisoryShape]
    seconds: float
