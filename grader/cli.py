"""The command `grader`: its commands and options, and nothing else."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import NoReturn

import click

from grader import __version__

PASSED, FAILED, UNUSABLE, BROKEN = 0, 1, 2, 3
_PLAIN_WIDTH = 100  # columns of a report that goes to a file or a pipe
_EXERCISES = Path("exercises")  # what a candidate fills: the default submission
_EXIT_CODES = {"pass": PASSED, "fail": FAILED, "internal": BROKEN}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grader")
def main() -> None:
    """Judge GPT-2 exercises: prove them right, or say what is wrong.

    Example: grader grade solutions/gpt2.py
    """


@main.command()
@click.argument("path", type=click.Path(path_type=Path), default=_EXERCISES)
@click.option("--exercise", default="gpt2", show_default=True, help="Which exercise to grade.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the report as JSON to this file.",
)
@click.option("--seed", type=click.IntRange(0), help="Draw the same cases as an earlier run.")
@click.option(
    "--policy",
    type=click.Choice(["from-scratch", "any"]),
    default="from-scratch",
    show_default=True,
    help="Whether ready-made Transformers and other libraries count.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="Seconds for each check.",
)
@click.option("--untrusted", is_flag=True, help="Refuse to run it below isolation level full.")
@click.option(
    "--accept-weak-isolation",
    is_flag=True,
    help="Run even an --untrusted submission at whatever level can be had.",
)
def grade(
    path: Path,
    exercise: str,
    json_file: Path | None,
    seed: int | None,
    policy: str,
    timeout: float,
    untrusted: bool,
    accept_weak_isolation: bool,
) -> None:
    """Grade PATH, a file or a folder with gpt2.py (default: exercises/).

    Exit codes: 0 everything passed, 1 something did not, 2 the input was unusable, 3 the grader
    itself failed.

    Example: grader grade exercises/gpt2.py --json report.json
    """
    # Imported here, so that --help and mistyped commands answer at once; and torch is loading in
    # the fork server while the rest is imported.
    from grader.remote import Limits, WeakIsolationError, start

    with start(Limits.allowing(timeout)) as server:
        from rich.console import Console

        from grader.checks.catalogue import EXERCISES
        from grader.grading import Options
        from grader.grading import grade as run
        from grader.report import json_report, terminal
        from grader.submission import UnusableInput

        console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
        if exercise not in EXERCISES:
            _unusable(f"there is no exercise {exercise!r}; there is: {', '.join(EXERCISES)}")
        strict = untrusted and not accept_weak_isolation
        options = Options(exercise, seed, timeout, policy, strict)
        try:
            with console.status("loading torch …") as status:
                report = run(
                    path,
                    options,
                    lambda result: status.update(f"{result.check.part}: {result.check.id}"),
                    server,
                )
        except (UnusableInput, WeakIsolationError) as error:
            _unusable(str(error))
    terminal.show(report, console)
    if json_file is not None:
        try:
            json_report.write(report, json_file)
        except OSError as error:
            _unusable(f"the report could not be written to {json_file}: {error.strerror}")
    sys.exit(_EXIT_CODES[report.verdict])


@main.command(name="list")
def list_() -> None:
    """List exercises and their checks, with points and requirements.

    Example: grader list
    """
    from grader.checks.catalogue import EXERCISES

    for exercise in EXERCISES.values():
        checks = exercise.checks().values()
        click.echo(f"{exercise.name}  ({exercise.file}, {sum(c.points for c in checks):g} points)")
        part = ""
        for check in checks:
            if check.part != part:
                part = check.part
                points = sum(c.points for c in checks if c.part == part)
                click.echo(f"\n  {part}  {points:g}")
            click.echo(f"    {check.points:>2g}  {check.id:<26} {check.requirement}")


@main.command()
@click.argument("check")
@click.argument("path", type=click.Path(path_type=Path), default=_EXERCISES)
@click.option("--restart", is_flag=True, help="Begin with the first hint again.")
def hint(check: str, path: Path, restart: bool) -> None:
    """Show the next hint for CHECK, a step at a time: a nudge, a pointer, nearly the solution.

    CHECK is the name of a check (see `grader list`) or of a cause that a report names, PATH the
    submission (default: exercises/). Each submission has its own count for each of them.

    Example: grader hint attention.causal
    """
    from grader import hints
    from grader.submission import UnusableInput

    try:
        shown = hints.next_hint(check, path, restart, _warn)
    except (hints.UnknownTopic, UnusableInput) as error:
        _unusable(str(error))
    place = [] if path == _EXERCISES else [str(path)]
    click.echo(hints.render(shown, shlex.join(["grader", "hint", check, *place])))


def _warn(message: str) -> None:
    click.echo(f"grader: {message}", err=True)


def _unusable(message: str) -> NoReturn:
    _warn(message)
    sys.exit(UNUSABLE)
