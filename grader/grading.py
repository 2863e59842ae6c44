"""One grading from beginning to end: submission in, report out."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.addressing import addressed
from grader.catalogue import DEBUG, GRADED, Exercise
from grader.charges import charged
from grader.check import Check
from grader.errors import GaveWay
from grader.kit import identity
from grader.merits import Case, Merits
from grader.results import CheckResult, Diagnosis, Mark, Report
from grader.rubric import SHIPPED, Rubric
from grader.running import Progress
from grader.sandbox.client import Budget, Server, isolation_of, require_full, start
from grader.sandbox.worker.lockdown import BUDGET
from grader.submission import Submission, UnusableInput, unusable
from grader.text import clean
from grader.vocabulary import Policy, Reveal, Status

if TYPE_CHECKING:
    from grader.exercises.debug.sheet import Sheet

SEEDS = 10_000  # one below this is drawn where none is given
_OUT_OF_TIME = (
    "The submission used up the {:g} seconds that a whole one has, of which it was at work for "
    "{:.0f}: what was not tried by then does not pass. --budget gives it more."
)


@dataclass(frozen=True)
class Options:
    """How to grade.

    seed: of everything drawn; None draws one. timeout: seconds for each check.
    policy: "from-scratch" or "any". untrusted: refuse to run it below isolation level full.
    rubric: what the checks count; base: the folder of the exercise that this one builds on, if it
    is not beside the submission; only: the class or function that alone is judged;
    sheet: what was planted in a folder to debug; reveal: what is told of one without its sheet;
    twists: by name, what is asked in place of GPT-2's own choices;
    jobs: how many parts at a time, and first: the class that is judged before others, where that
    makes no difference, of which nothing shows in the report; budget: seconds for the whole;
    patience: seconds after which it gives way to others, 0: it does not.
    """

    exercise: str = "gpt2"
    seed: int | None = None
    timeout: float = 10.0
    policy: Policy = "from-scratch"
    untrusted: bool = False
    rubric: Rubric = SHIPPED
    base: Path | None = None
    only: str = ""
    sheet: Sheet | None = None
    reveal: Reveal = "symptoms"
    twists: tuple[str, ...] = ()
    jobs: int = 1
    first: str = ""
    budget: float = BUDGET
    patience: float = 0.0

    def read(
        self,
        path: Path,
        exercise: str,
        beside: bool | None = None,
        pieces: Mapping[str, Path] | None = None,
    ) -> Submission:
        """What was handed in at a path for an exercise. Raises UnusableInput.

        beside: whether a single file may import what lies beside it; None: unless untrusted;
        pieces: what it consists of, where that is not what lies at the path.
        """
        beside = not self.untrusted if beside is None else beside
        return GRADED[exercise].read(path, self.base, dict(self.rubric.map), beside, pieces)

    @property
    def points_by(self) -> str:
        """What the points go by, in short: "" for the shipped rubric; of a folder to debug the
        sheet, or how much is told without.
        """
        if self.exercise != DEBUG:
            return self.rubric.digest
        return self.reveal if self.sheet is None else self.sheet.digest

    @property
    def asked(self) -> Exercise:
        """The exercise, as it is asked."""
        exercise = GRADED[self.exercise]
        return exercise.twisted(self.twists) if self.twists else exercise

    def with_seed(self) -> Options:
        """The same with a seed, drawn if there is none."""
        return replace(self, seed=secrets.randbelow(SEEDS)) if self.seed is None else self

    def case(self, submission: Submission, server: Server) -> Case:
        """A submission that is to be judged in this way."""
        assert self.seed is not None
        return Case(
            self.asked,
            submission,
            server,
            self.timeout,
            self.seed,
            self.policy,
            self.rubric,
            self.only,
            self.jobs,
            self.first,
            Budget(min(self.budget, self.patience or self.budget)),
        )

    def checks(self) -> dict[str, Check]:
        """The exercise's checks by the names of their functions, as the rubric counts them."""
        exercise = self.asked
        judged = exercise.only(self.only) if self.only else exercise
        return self.rubric.applied(judged.checks())


def grade(
    path: Path,
    options: Options,
    progress: Progress = lambda result: None,
    server: Server | None = None,
) -> Report:
    """Grade a file or folder; what cannot be read is `ungraded`. Raises UnusableInput if there is
    nothing at the path, and WeakIsolationError if it is untrusted and cannot be locked in.

    server: one that is already warm, which stays open; otherwise one is started and closed.
    """
    if server is None:
        with start() as own:
            return grade(path, options, progress, own)
    return grade_submission(handed_in(path, options), options, progress, server)


def handed_in(path: Path, options: Options) -> Submission:
    """What is to be graded, or what stands for it where it cannot be read. Raises UnusableInput
    if there is nothing.
    """
    try:
        return options.read(path, options.exercise)
    except UnusableInput as error:
        if not os.path.exists(path):
            raise
        return unusable(path, GRADED[options.exercise].file, error)


def grade_submission(
    submission: Submission, options: Options, progress: Progress, server: Server
) -> Report:
    """Grade what was read. Raises WeakIsolationError as `grade` does.

    It is judged under the exercise's own file name: the same text gets the same report.
    """
    judged = submission.anonymized(GRADED[options.exercise].file)
    return addressed(judge(judged, options, progress, server), judged, submission)


def judge(submission: Submission, options: Options, progress: Progress, server: Server) -> Report:
    """Grade a submission as it stands. Raises WeakIsolationError as `grade` does."""
    started = time.monotonic()
    options = options.with_seed()
    locked = isolation_of(server)
    if options.untrusted:
        require_full(locked)
    if options.exercise == DEBUG:
        options = replace(options, patience=0.0)  # several gradings, each with all its time
        from grader.exercises.debug.judge import judge_folder

        return judge_folder(submission, options, progress, server)
    if submission.error:
        report = unread(submission, options, submission.error)
    else:
        case = options.case(submission, server)
        with Merits(case) as merits:
            results = merits.judge(_giving_way(progress, case.budget, options.patience))
            results = charged(GRADED[options.exercise], results, merits.own.charges)
            results, found = _diagnosed(merits, results)
            if case.budget.ended:
                merits.own.advise(
                    "budget", _OUT_OF_TIME.format(options.budget, case.budget.at_work)
                )
            report = _report(submission, options, results, found, merits)
    return replace(
        report,
        isolation_level=locked.level,
        isolation_mechanisms=locked.mechanisms,
        seconds=time.monotonic() - started,
    )


def _giving_way(progress: Progress, budget: Budget, patience: float) -> Progress:
    """The progress, which raises GaveWay once the time is over, if there is patience at all."""

    def watch(result: CheckResult) -> None:
        if patience and budget.ended:
            raise GaveWay(budget.words)
        progress(result)

    return watch


def _diagnosed(
    merits: Merits, results: tuple[CheckResult, ...]
) -> tuple[tuple[CheckResult, ...], tuple[Diagnosis, ...]]:
    """What is wrong, and the results, which say what of that they follow from."""
    if all(result.status == "pass" for result in results):
        return results, ()  # without all that it takes to name a bug
    from grader.gpt2.diagnosis import diagnose, marked, replayed

    found = diagnose(merits.evidence, results, merits.replaced)
    results = marked(results, found, merits.replaced)
    return replayed(merits.own, results, merits.replaced), found


def _marks(
    submission: Submission,
    exercise: str,
    results: tuple[CheckResult, ...],
    diagnoses: tuple[Diagnosis, ...],
) -> tuple[Mark, ...]:
    """The lines that something is said of."""
    said = submission.violations or submission.problems
    if not said and all(result.status == "pass" for result in results):
        return ()
    from grader.gpt2.diagnosis import marks

    found = marks(submission, results, diagnoses, GRADED[exercise].names)
    return tuple(replace(mark, why=clean(mark.why)) for mark in found)


def unread(submission: Submission, options: Options, why: str) -> Report:
    """The report on what does not parse, or is no submission: where, why, and nothing else."""
    why = clean(why) if submission.unread else f"{clean(why)}\nNothing else was looked at."
    status: Status = "not-run" if submission.unread else "error"
    results = (
        CheckResult(c, status, why) if c.of_file else CheckResult(c, "not-run")
        for c in options.checks().values()
    )
    report = _report(submission, options, tuple(results), (), None)
    return replace(report, unreadable=why, ungraded=submission.unread)


def uniform_report(
    submission: Submission, options: Options, status: Status, message: str
) -> Report:
    """The report on what was not run, for the same reason in every check."""
    results = (CheckResult(c, status, clean(message)) for c in options.checks().values())
    return _report(submission, options, tuple(results), (), None)


def _report(
    submission: Submission,
    options: Options,
    results: tuple[CheckResult, ...],
    diagnoses: tuple[Diagnosis, ...],
    merits: Merits | None,
) -> Report:
    assert options.seed is not None
    return Report(
        exercise=options.exercise,
        path=clean(submission.path),
        file=clean(str(Path(submission.folder, submission.main))),
        sha256=submission.sha256,
        files=submission.files,
        marks=_marks(submission, options.exercise, results, diagnoses),
        seed=options.seed,
        policy=options.policy,
        isolation_level="none",
        isolation_mechanisms=(),
        results=results,
        advisories={k: clean(v) for k, v in merits.advisories.items()} if merits else {},
        judged_by=merits.judged_by if merits else {},
        stand_ins=merits.replaced if merits else {},
        diagnoses=tuple(replace(d, explanation=clean(d.explanation)) for d in diagnoses),
        kit=identity(),
        timeout=options.timeout,
        budget=options.budget,
        rubric=options.rubric.digest,
        pass_mark=None if options.only else options.rubric.pass_mark,
        base=clean(str(options.base)) if options.base else "",
        twists=options.twists,
        only=options.only,
    )
