"""Commands for who practises: `start`, `progress`, `hint`."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path

import click

from grader.cli.common import (
    OUTPUT,
    PATH,
    SHEET,
    TWIST,
    check_exercise,
    screen,
    sheet,
    twists_of,
    unusable,
    warn,
)
from grader.cli.debugging import Debugging, debug_options

_DRAWS = 10_000  # seeds of twists at random


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="How long the session is (default: as the brief says, to debug 40).",
)
@click.option("--exercise", default="gpt2", show_default=True, help="Which one, all, or debug.")
@click.option(
    "--twist",
    metavar="NAME,…",
    help="gpt2: ask for another model than GPT-2's own; list shows which, random draws two.",
)
@debug_options
def start(
    folder: Path, minutes: float | None, exercise: str, twist: str | None, debugging: Debugging
) -> None:
    """Lay out fresh stubs and the brief in DIR, a new or empty folder, and start the clock.

    With --twist the brief asks for a GPT-2 with other choices, and that is what is graded. With
    --exercise debug DIR gets a small GPT and its training loop, with bugs planted in both.

    From then on `grade` and `watch` in that folder show the time left and record every grading
    in its session.jsonl. When the time is up everything still works, marked as late.

    Example: grader start my-attempt --minutes 30
    """
    from grader import session
    from grader.catalogue import DEBUG
    from grader.program import program

    check_exercise(exercise)
    twists: tuple[str, ...] = ()
    if twist is not None:
        twists, debugging = _twists(twist, exercise, debugging)
    if debugging.asked_for and exercise != DEBUG:
        unusable(f"--bugs, --level and the like are of --exercise {DEBUG}, found {exercise}")
    try:
        if exercise == DEBUG:
            made = debugging.start(folder, minutes)
        else:
            usual = minutes or session.usual_minutes(exercise)
            made = session.start(folder, usual, exercise, twists=twists)
    except session.SessionError as error:
        unusable(str(error))
    click.echo(session.welcome(made, program()))


def _twists(twist: str, exercise: str, debugging: Debugging) -> tuple[tuple[str, ...], Debugging]:
    """The twists that were typed, and the options of a folder to debug without the seed of a draw.

    Ends the command where it shows all, or where there are no such twists.
    """
    from grader.catalogue import TWISTED
    from grader.gpt2.twists import TWISTS, drawn

    if twist == "list":
        for one in TWISTS:
            click.echo(f"{one.name:<16}{one.is_a.format('3')}")
        sys.exit(0)
    if exercise != TWISTED:
        unusable(f"--twist is of --exercise {TWISTED}, found {exercise}")
    if twist != "random":
        return twists_of(twist), debugging
    seed = secrets.randbelow(_DRAWS) if debugging.draw_seed is None else debugging.draw_seed
    found = drawn(seed)
    click.echo(f"Drawn with --seed {seed}: --twist {','.join(found)}")
    return found, replace(debugging, draw_seed=None)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", default=Path())
@click.option("--html", "html_file", type=OUTPUT, help="Also write it as a page.")
def progress(folder: Path, html_file: Path | None) -> None:
    """Show the session in DIR (default: this folder) over time: the score after each grading.

    Example: grader progress my-attempt --html progress.html
    """
    from grader import session
    from grader.catalogue import DEBUG
    from grader.exercises.debug.practice import summary as kinds
    from grader.report import html
    from grader.report import progress as form

    try:
        found = session.read(folder, warn)
    except session.SessionError as error:
        unusable(str(error))
    form.show(found, screen())
    if found.exercise == DEBUG:
        form.show_kinds(kinds(warn), screen())
    if html_file is not None:
        try:
            html.write_progress(found, html_file)
        except OSError as error:
            unusable(f"the page could not be written to {html_file}: {error.strerror}")


@click.command()
@click.argument("exercise", default="gpt2")
@click.option("--out", type=OUTPUT, help="Where to (default: EXERCISE.ipynb in this folder).")
def notebook(exercise: str, out: Path | None) -> None:
    """Write a starter notebook for EXERCISE: its brief, and a cell for each class or function.

    Nothing that exists is overwritten.

    Example: grader notebook generation --out generation.ipynb
    """
    from grader.catalogue import ALL, EXERCISES
    from grader.starter import notebook as made

    check_exercise(exercise)
    if exercise == ALL:
        unusable("a notebook is that of one exercise; give its name instead of all")
    out = out or Path(f"{exercise}.ipynb")
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(made(EXERCISES[exercise]))
    except FileExistsError:
        unusable(f"{out}: is there already, and was left as it is. Give another name as --out.")
    except OSError as error:
        unusable(f"{out}: cannot be written ({error.strerror})")
    click.echo(f"Next: jupyter lab {out}, or open it in your editor.")


def _complete_topic(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Checks and causes that begin so, for the shell."""
    from grader import hints

    return sorted(topic for topic in hints.topics() if topic.startswith(begun))


@click.command()
@click.argument("check", shell_complete=_complete_topic)
@PATH
@click.option("--restart", is_flag=True, help="Begin with the first hint again.")
@SHEET
@TWIST
def hint(check: str, path: Path, restart: bool, sheet_file: Path | None, twist: str | None) -> None:
    """Show the next hint for CHECK, a step at a time: a nudge, a pointer, nearly the solution.

    CHECK is the name of a check (see `grader list`) or of a cause that a report names, PATH the
    submission (default: as for `grade`). Each submission has its own count for each of them. In a
    folder to debug CHECK is bug, the next one that stands, or bug-1, bug-2 and so on.

    Example: grader hint attention.causal
    """
    from grader import hints, session
    from grader.errors import GraderError
    from grader.program import program
    from grader.report.advice import hint_command

    try:
        found = session.find(path)
        asked = twists_of(twist) if twist is not None else found.twists if found else ()
        shown = hints.next_hint(check, path, restart, warn, sheet(sheet_file), asked)
    except GraderError as error:
        unusable(str(error))
    if found:
        found.took_hint(shown.topic.id, warn)
    command = hint_command(check, str(path), program(), asked, sheet_file)
    click.echo(hints.render(shown, command))
