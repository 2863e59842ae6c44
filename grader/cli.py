"""The command `grader`: its commands and options, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from grader import __version__
from grader.files import SESSION_FILE

if TYPE_CHECKING:
    from rich.console import Console

    from grader.report.model import CheckResult, Report

PASSED, FAILED, UNUSABLE, BROKEN = 0, 1, 2, 3
INTERRUPTED = 130  # as shells count a command that Ctrl-C ended
_PLAIN_WIDTH = 100  # columns of a report that goes to a file or a pipe
_EXIT_CODES = {"pass": PASSED, "fail": FAILED, "internal": BROKEN}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grader")
def main() -> None:
    """Judge GPT-2 exercises: prove them right, or say what is wrong.

    Example: grader grade solutions/gpt2.py
    """


def _default_path() -> Path:
    """What a candidate fills: the folder of a session, if this is one, else exercises/."""
    return Path() if Path(SESSION_FILE).exists() else Path("exercises")


_PATH = click.argument("path", type=click.Path(path_type=Path), default=_default_path)
_OUTPUT = click.Path(path_type=Path, dir_okay=False)


def _how_to_grade(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a submission is graded, whatever becomes of the report."""
    options = (
        click.option("--exercise", default="gpt2", show_default=True, help="Which exercise it is."),
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
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@_PATH
@_how_to_grade
@click.option("--json", "json_file", type=_OUTPUT, help="Also write the report as JSON.")
@click.option("--html", "html_file", type=_OUTPUT, help="Also write the report as a page.")
@click.option("--untrusted", is_flag=True, help="Refuse to run it below isolation level full.")
@click.option(
    "--accept-weak-isolation",
    is_flag=True,
    help="Run even an --untrusted submission at whatever level can be had.",
)
def grade(
    path: Path,
    exercise: str,
    seed: int | None,
    policy: str,
    timeout: float,
    json_file: Path | None,
    html_file: Path | None,
    untrusted: bool,
    accept_weak_isolation: bool,
) -> None:
    """Grade PATH, a file or a folder with gpt2.py (default: exercises/, or the session's folder).

    Exit codes: 0 everything passed, 1 something did not, 2 the input was unusable, 3 the grader
    itself failed.

    Example: grader grade exercises/gpt2.py --html report.html
    """
    # Imported here, so that --help and mistyped commands answer at once; and torch is loading in
    # the fork server while the rest is imported.
    from grader.remote import Limits, WeakIsolationError, start

    with start(Limits.allowing(timeout)) as server:
        from grader.grading import Options
        from grader.grading import grade as run
        from grader.interrupts import noted
        from grader.report import html, json_report, terminal
        from grader.submission import UnusableInput

        _check_exercise(exercise)
        console = _console()
        strict = untrusted and not accept_weak_isolation
        options = Options(exercise, seed, timeout, policy, strict)
        interrupts: list[None] = []
        try:
            with (
                noted(lambda: interrupts.append(None)),
                console.status("loading torch …") as status,
            ):

                def show(result: CheckResult) -> None:
                    status.update(f"{result.check.part}: {result.check.id}")
                    if interrupts:
                        raise KeyboardInterrupt

                report = run(path, options, show, server)
        except (UnusableInput, WeakIsolationError) as error:
            _unusable(str(error))
        except KeyboardInterrupt:
            _warn("stopped, nothing was judged")
            sys.exit(INTERRUPTED)
    if not untrusted:  # or the files of a stranger would be written to
        report = _on_record(path, report)
    failed = []  # the files first: whoever reads the screen may close it early
    for file, write in ((json_file, json_report.write), (html_file, html.write)):
        try:
            if file is not None:
                write(report, file)
        except OSError as error:
            failed.append(f"the report could not be written to {file}: {error.strerror}")
    terminal.show(report, console)
    if failed:
        _unusable("; ".join(failed))
    sys.exit(_EXIT_CODES[report.verdict])


@main.command()
@_PATH
@_how_to_grade
def watch(path: Path, exercise: str, seed: int | None, policy: str, timeout: float) -> None:
    """Grade PATH again at every save, until q or Ctrl-C.

    Shows what changed by the save, then the whole report. Keys: h the next hint, r grade again,
    a all checks, q quit.

    Example: grader watch exercises/gpt2.py
    """
    from grader.remote import Limits, start

    with start(Limits.allowing(timeout)) as server:
        import secrets

        from grader import watch as watching
        from grader.grading import SEEDS, Options

        _check_exercise(exercise)
        if not path.exists():
            _unusable(f"{path}: no such file or folder. Give what is to be watched.")
        # One seed for all gradings, so that only a save makes a difference.
        seed = secrets.randbelow(SEEDS) if seed is None else seed
        options = Options(exercise, seed, timeout, policy)
        try:
            watching.watch(path, options, server, _console(), lambda r: _on_record(path, r))
        except KeyboardInterrupt:
            click.echo()


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="How long the session is.",
)
def start(folder: Path, minutes: float) -> None:
    """Lay out fresh stubs and the brief in DIR, a new or empty folder, and start the clock.

    From then on `grade` and `watch` in that folder show the time left and record every grading
    in its session.jsonl. When the time is up everything still works, marked as late.

    Example: grader start my-attempt --minutes 30
    """
    from grader import session
    from grader.report.advice import program

    try:
        made = session.start(folder, minutes)
    except session.SessionError as error:
        _unusable(str(error))
    click.echo(session.welcome(made, program()))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", default=Path())
@click.option("--html", "html_file", type=_OUTPUT, help="Also write it as a page.")
def progress(folder: Path, html_file: Path | None) -> None:
    """Show the session in DIR (default: this folder) over time: the score after each grading.

    Example: grader progress my-attempt --html progress.html
    """
    from grader import session
    from grader.report import html
    from grader.report import progress as form

    try:
        found = session.read(folder, _warn)
    except session.SessionError as error:
        _unusable(str(error))
    form.show(found, _console())
    if html_file is not None:
        try:
            html.write_progress(found, html_file)
        except OSError as error:
            _unusable(f"the page could not be written to {html_file}: {error.strerror}")


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


def _complete_topic(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Checks and causes that begin so, for the shell."""
    from grader import hints

    return sorted(topic for topic in hints.topics() if topic.startswith(begun))


@main.command()
@click.argument("check", shell_complete=_complete_topic)
@_PATH
@click.option("--restart", is_flag=True, help="Begin with the first hint again.")
def hint(check: str, path: Path, restart: bool) -> None:
    """Show the next hint for CHECK, a step at a time: a nudge, a pointer, nearly the solution.

    CHECK is the name of a check (see `grader list`) or of a cause that a report names, PATH the
    submission (default: as for `grade`). Each submission has its own count for each of them.

    Example: grader hint attention.causal
    """
    from grader import hints
    from grader.report.advice import hint_command, program
    from grader.submission import UnusableInput

    try:
        shown = hints.next_hint(check, path, restart, _warn)
    except (hints.UnknownTopic, UnusableInput) as error:
        _unusable(str(error))
    click.echo(hints.render(shown, hint_command(check, str(path), program())))


def _check_exercise(name: str) -> None:
    from grader.checks.catalogue import EXERCISES

    if name not in EXERCISES:
        _unusable(f"there is no exercise {name!r}; there is: {', '.join(EXERCISES)}")


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def _on_record(path: Path, report: Report) -> Report:
    """The report with the time on it, recorded, if the submission is of a session."""
    from grader import session

    found = session.find(path, _warn)
    return report if found is None else found.record(report, _warn)


def _warn(message: str) -> None:
    click.echo(f"grader: {message}", err=True)


def _unusable(message: str) -> NoReturn:
    _warn(message)
    sys.exit(UNUSABLE)
