"""What the commands share: options, exit codes, words for the user."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from grader.files import SESSION_FILE
from grader.sandbox.worker.lockdown import BUDGET

if TYPE_CHECKING:
    from rich.console import Console

    from grader.exercises.debug.sheet import Sheet
    from grader.grading import Options
    from grader.results import Report
    from grader.vocabulary import Policy, Reveal

PASSED, FAILED, UNUSABLE, BROKEN, UNGRADED = 0, 1, 2, 3, 4
INTERRUPTED = 130  # as shells count a command that Ctrl-C ended
CLOSED = 141  # and one whose reader went away, as `head` does
_PLAIN_WIDTH = 100  # columns of a report that goes to a file or a pipe
EXIT_CODES = {"pass": PASSED, "fail": FAILED, "internal": BROKEN, "ungraded": UNGRADED}


def _default_path() -> Path:
    """What a candidate fills: the folder of a session, if this is one, else exercises/."""
    return Path() if Path(SESSION_FILE).exists() else Path("exercises")


PATH = click.argument("path", type=click.Path(path_type=Path), default=_default_path)
INPUT = click.Path(path_type=Path, dir_okay=False, exists=True)
OUTPUT = click.Path(path_type=Path, dir_okay=False)
SHEET = click.option(
    "--sheet",
    "sheet_file",
    type=INPUT,
    help="The interviewer's sheet of a folder to debug: says what became of each planted bug.",
)


TWIST = click.option(
    "--twist",
    metavar="NAME,…",
    help="gpt2: the twists that its brief asks for (default: those of the session, if any).",
)


@dataclass(frozen=True)
class How:
    """How a submission is graded, as it was typed."""

    exercise: str | None
    seed: int | None
    policy: Policy
    timeout: float
    budget: float
    rubric_file: Path | None
    base: Path | None
    names: tuple[str, ...] = ()
    sheet_file: Path | None = None
    reveal: Reveal = "symptoms"
    twist: str | None = None

    def options(
        self, path: Path | None = None, untrusted: bool = False, several: bool = False
    ) -> Options:
        """What grading PATH takes; ends the command if that is no way to grade.

        several: whether the command can take all exercises at once.
        """
        from grader.catalogue import ALL, DEBUG, GRADED
        from grader.grading import Options
        from grader.rubric import SHIPPED, RubricError, read

        # Nothing but the code of a stranger is looked at.
        given = self.exercise or (DEBUG if self.sheet_file else None)
        exercise = given or _exercise_of(path, with_session=not untrusted)
        if exercise == ALL and not several:
            unusable("this command takes one exercise at a time")
        if exercise == ALL and self.rubric_file:
            unusable("a rubric is that of one exercise; give its name instead of all")
        check_exercise(exercise)
        try:
            checks = [] if exercise == ALL else GRADED[exercise].checks().values()
            rubric = read(self.rubric_file, checks) if self.rubric_file else SHIPPED
        except RubricError as error:
            unusable(str(error))
        rubric = rubric.mapped(_pairs(self.names, exercise))
        how = self.seed, self.timeout, self.policy, untrusted, rubric, self.base
        twists = self._twists(exercise, None if untrusted else path)
        planted = sheet(self.sheet_file)
        return Options(
            exercise,
            *how,
            sheet=planted,
            reveal=self.reveal,
            twists=twists,
            budget=self.budget,
        )

    def _twists(self, exercise: str, path: Path | None) -> tuple[str, ...]:
        """What was asked for with --twist, else what the session at the path says; ends the command
        if it is asked of another exercise.
        """
        from grader import session
        from grader.catalogue import TWISTED

        if self.twist is not None:
            if exercise != TWISTED:
                unusable(f"--twist is of the exercise {TWISTED}, found {exercise}")
            return twists_of(self.twist)
        found = session.find(path, lambda message: None) if path else None
        return found.twists if found and exercise == TWISTED else ()


def twists_of(text: str) -> tuple[str, ...]:
    """The twists that were typed; ends the command if there are no such ones."""
    from grader.gpt2.twists import TwistError, parsed

    try:
        return parsed(text)
    except TwistError as error:
        unusable(str(error))


def sheet(file: Path | None) -> Sheet | None:
    """What an interviewer's sheet says, if there is one; ends the command if it cannot be read."""
    if file is None:
        return None
    from grader.exercises.debug import sheet as sheets

    try:
        return sheets.read(file)
    except sheets.SheetError as error:
        unusable(str(error))


def _exercise_of(path: Path | None, with_session: bool) -> str:
    """The exercise whose file, or whose session, this is; else the first one."""
    from grader import session
    from grader.catalogue import DEBUG, EXERCISES

    if path is None:
        return "gpt2"
    named = {exercise.file: name for name, exercise in EXERCISES.items()}
    found = session.find(path, lambda message: None) if with_session else None
    if found and found.exercise == DEBUG:
        return DEBUG
    return named.get(path.name) or (found.exercise if found else "gpt2")


def _pairs(names: Sequence[str], exercise: str) -> list[tuple[str, str]]:
    """What was said with --map; ends the command if that is not of the exercise."""
    from grader.catalogue import chosen

    known = [name for one in chosen(exercise) for name in one.names]
    pairs = []
    for text in names:
        name, _, own = (part.strip() for part in text.partition("="))
        if name not in known or not own.isidentifier():
            unusable(f"--map {text}: expected NAME=YOURS, with a NAME of {', '.join(known)}")
        pairs.append((name, own))
    return pairs


ONLY = click.option(
    "--only", metavar="NAME", default="", help="Grade one class or function, and skip the rest."
)


def only(options: Options, name: str) -> Options:
    """The same for a class or function alone; ends the command if there is none of that name."""
    from grader.catalogue import ALL, chosen

    if not name:
        return options
    known = [own for one in chosen(options.exercise) for own in one.names]
    found = [own for own in known if own.lower() == name.lower()]
    if options.exercise == ALL:
        unusable("--only takes one exercise; give its name with --exercise instead of all")
    if not found:
        unusable(f"--only {name}: expected one of {', '.join(known)}")
    return replace(options, only=found[0])


_HOW = (
    click.option(
        "--exercise",
        help="Which exercise it is, or all (default: that of the file or session, or gpt2).",
    ),
    click.option("--seed", type=click.IntRange(0), help="Draw the same cases as another run."),
    click.option(
        "--policy",
        type=click.Choice(["from-scratch", "any"]),
        default="from-scratch",
        show_default=True,
        help="Whether ready-made Transformers and other libraries count.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0.1),
        default=10.0,
        show_default=True,
        help="Seconds for each check.",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(1),
        default=BUDGET,
        show_default=True,
        help="Seconds for all checks of an exercise together, two thirds of them at work.",
    ),
    click.option(
        "--rubric",
        "rubric_file",
        type=INPUT,
        help="Other points, optional checks or a pass mark; see `grader list --rubric`.",
    ),
    click.option(
        "--base",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The folder of the gpt2.py that an exercise builds on (default: beside it).",
    ),
    click.option(
        "--map",
        "names",
        multiple=True,
        metavar="NAME=YOURS",
        help="Which class is to be taken for one of the brief's, such as MLP=FeedForward.",
    ),
    SHEET,
    click.option(
        "--reveal",
        type=click.Choice(["symptoms", "checks", "causes"]),
        default="symptoms",
        show_default=True,
        help="How much is told of a folder to debug without its sheet.",
    ),
    TWIST,
)


def how_to_grade(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a submission is graded, given to the command as one How."""

    @functools.wraps(command)
    def with_how(**given: Any) -> None:
        facts = {field.name: given.pop(field.name) for field in fields(How)}
        command(how=How(**facts), **given)

    for option in reversed(_HOW):
        with_how = option(with_how)
    return with_how


def check_exercise(name: str) -> None:
    """End the command unless there is such an exercise, or all are meant."""
    from grader.catalogue import ALL, GRADED

    if name not in (*GRADED, ALL):
        unusable(f"there is no exercise {name!r}; there is: {', '.join(GRADED)}, {ALL}")


def screen() -> Console:
    """Where reports are shown: as wide as the terminal, or plain."""
    from rich.console import Console

    class Screen(Console):
        """Rich ends with 1 where nobody reads on, which would be a verdict."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            close_output()
            sys.exit(CLOSED)

    return Screen(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def close_output() -> None:
    """Send to nowhere what is still to be written, so that Python does not try once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def on_record(path: Path, report: Report) -> Report:
    """The report with the time on it, recorded, if the submission is of a session."""
    from grader import session
    from grader.catalogue import DEBUG

    found = session.find(path, warn)
    if found is None:
        return report
    timed = found.record(report, warn)
    if report.exercise == DEBUG:
        from grader.exercises.debug import practice

        practice.note(path, timed, warn)
    return timed


def warn(message: str) -> None:
    """Tell the user beside the output."""
    from grader.text import clean

    click.echo(f"grader: {clean(message)}", err=True)


def unusable(message: str) -> NoReturn:
    """End the command: it or its input was unusable."""
    warn(message)
    sys.exit(UNUSABLE)
