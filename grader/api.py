"""What other programs call: `grade`, the `Report` that it gives, and `assert_passes`."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from grader import grade_all
from grader import results as model
from grader.ahead import processors
from grader.catalogue import EXERCISES, TWISTED
from grader.errors import GraderError
from grader.gpt2.twists import TwistError, named, names_of
from grader.grading import Options
from grader.report.html import page
from grader.report.plain import as_text
from grader.results import CheckResult, Diagnosis
from grader.rubric import SHIPPED, Rubric
from grader.rubric import read as read_rubric
from grader.sandbox.client import Limits, start
from grader.sandbox.worker.lockdown import BUDGET
from grader.vocabulary import IsolationLevel, Policy

__all__ = ["GraderError", "Isolation", "Report", "assert_passes", "grade"]
_HEIGHT = 600  # pixels of a report in a notebook

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Isolation:
    """How a submission was locked in. level: full, process or none."""

    level: IsolationLevel
    mechanisms: tuple[str, ...]


class Report(model.Report):
    """What came out of a grading. In a notebook it shows itself as a page."""

    @property
    def passed(self) -> bool:
        """Whether everything passed that has to."""
        return self.verdict == "pass"

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Every check with its status, points, message and counterexample, in order."""
        return self.results

    @property
    def bugs(self) -> tuple[Diagnosis, ...]:
        """The bugs that have a name, the first of each part first."""
        return self.diagnoses

    @property
    def isolation(self) -> Isolation:
        """How the submission was locked in."""
        return Isolation(self.isolation_level, self.isolation_mechanisms)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text, by the schema docs/report-schema.json."""
        return json.dumps(self.as_json(), indent=indent, ensure_ascii=False)

    def __str__(self) -> str:
        """The report as `grader grade` prints it."""
        return as_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """In a shell of IPython's: what is printed, and not all that is known."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style is none of the notebook's."""
        return (
            f'<iframe srcdoc="{html.escape(page(self))}" sandbox '
            f'style="width: 100%; height: {_HEIGHT}px; border: 0"></iframe>'
        )


def grade(
    path: PathLike,
    exercise: str = "gpt2",
    *,
    seed: int | None = None,
    timeout: float = 10.0,
    budget: float = BUDGET,
    policy: Policy = "from-scratch",
    untrusted: bool = False,
    rubric: PathLike | None = None,
    base: PathLike | None = None,
    only: str = "",
    twists: Sequence[str] = (),
) -> Report:
    """Grade a file, a folder or an archive.

    exercise: a name that `grader list` shows, or "all". seed: of everything drawn; None draws one,
    which the report has. timeout: seconds for each check; budget: for all of an exercise. policy:
    "from-scratch" or "any". untrusted: refuse to run it below isolation level full. rubric: a TOML
    file of points. base: the folder of the exercise that this one builds on, if it is not beside
    the submission. only: a class or function of the exercise that alone is graded. twists: of
    gpt2, by name, what the brief asks in place of GPT-2's own choices.

    Raises a GraderError: UnusableInput if there is nothing there, WeakIsolationError if it is
    untrusted and cannot be locked in, RubricError, TwistError if there are no such twists, and
    GraderFault if the grader itself fails.
    """
    if exercise not in (*EXERCISES, "all"):
        names = ", ".join([*EXERCISES, "all"])
        raise GraderError(f"expected an exercise of {names}, found {exercise!r}")
    if only and (exercise == "all" or only not in EXERCISES[exercise].names):
        raise GraderError(f"only: expected a class or function of one exercise, found {only!r}")
    options = Options(
        exercise,
        seed,
        timeout,
        policy,
        untrusted,
        _rubric(rubric, exercise),
        None if base is None else Path(base),
        only=only,
        budget=budget,
        twists=_twists(twists, exercise),
        jobs=processors(),
    )
    with start(Limits.allowing(budget)) as server:
        found = grade_all.grade(Path(path), options, lambda result: None, server)
    return as_shown(found)


def as_shown(found: model.Report) -> Report:
    """A report as this module's own."""
    return Report(**{field.name: getattr(found, field.name) for field in fields(model.Report)})


def _twists(names: Sequence[str], exercise: str) -> tuple[str, ...]:
    if names and exercise != TWISTED:
        raise TwistError(f"only the exercise {TWISTED} takes twists, found {exercise}")
    return names_of(named(names))


def _rubric(path: PathLike | None, exercise: str) -> Rubric:
    if path is None:
        return SHIPPED
    if exercise not in EXERCISES:
        raise GraderError("a rubric is of one exercise; give its name, or no rubric for all")
    return read_rubric(Path(path), EXERCISES[exercise].checks().values())


def assert_passes(path: PathLike, exercise: str = "gpt2", *, seed: int | None = None) -> None:
    """For a test of one's own: raise AssertionError, with the report, unless it passes.

    Raises GraderError as `grade` does, also if it could not be read or the grader itself failed.
    """
    report = grade(path, exercise, seed=seed)
    if report.verdict == "internal":
        raise GraderError(f"the grader itself failed:\n{report}")
    if report.verdict == "ungraded":
        raise GraderError(report.unreadable)
    if not report.passed:
        raise AssertionError(f"{path} does not pass:\n{report}")
