"""Commands about many submissions and saved reports: `batch`, `export`, `list`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli.common import (
    BROKEN,
    INPUT,
    INTERRUPTED,
    PASSED,
    UNGRADED,
    How,
    check_exercise,
    how_to_grade,
    screen,
    unusable,
    warn,
)

if TYPE_CHECKING:
    from grader.batch.attempts import Take

_LINE = 1000  # characters of names that are listed


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@how_to_grade
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the table and the reports go: a new folder, or one to go on with.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    help="How many to grade at a time (default: one for each core).",
)
@click.option("--scheduler", metavar="ADDRESS", help="Let the workers of a Dask cluster grade.")
@click.option(
    "--roster",
    "roster_file",
    type=INPUT,
    help="A CSV file of people (any of name, id, email, login): who handed in, and who did not.",
)
@click.option(
    "--take",
    type=click.Choice(["best", "last"]),
    default="last",
    show_default=True,
    help="Which counts of several attempts by one person.",
)
@click.option(
    "--for-candidate",
    is_flag=True,
    help="Also write a page for each that can be sent on, into the folder for-candidates.",
)
@click.option(
    "--allow-weak-isolation",
    is_flag=True,
    help="Run submissions at whatever isolation level can be had.",
)
def batch(
    folder: Path,
    how: How,
    out: Path,
    jobs: int,
    scheduler: str | None,
    roster_file: Path | None,
    take: Take,
    for_candidate: bool,
    allow_weak_isolation: bool,
) -> None:
    """Grade every file, folder and archive in FOLDER, and write one table of all.

    Each is graded with the same seed and locked in. Interrupted and started again, it goes on
    where it was. Exit codes: 0 all are graded, 2 the input was unusable, 3 the grader itself
    failed at some, which are marked `internal`, 4 some could not be read (`ungraded`).

    Example: grader batch submissions --out results
    """
    from grader import batch
    from grader.batch import progress as bar
    from grader.batch import roster
    from grader.interrupts import noted
    from grader.report import table
    from grader.submission import UnusableInput
    from grader.text import clean, shorten

    options = how.options(untrusted=not allow_weak_isolation)
    interrupts: list[None] = []
    try:
        with noted(lambda: interrupts.append(None)), bar.shown(screen()) as tell:

            def told(step: batch.Step) -> None:
                tell(step)
                if interrupts:
                    raise KeyboardInterrupt

            people = roster.read(roster_file) if roster_file else None
            order = batch.BatchConfig(
                folder, out, options, jobs, scheduler, people, take, for_candidate
            )
            done = batch.run(order, told)
    except (batch.BatchError, UnusableInput) as error:
        unusable(str(error))
    except KeyboardInterrupt:
        warn(f"stopped; what is graded is kept in {out}. The same command goes on from there")
        sys.exit(INTERRUPTED)
    verdicts = table.summary(done.rows, {}, done.arrivals)["verdicts"]
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    for words, names in (
        ("passed over", done.arrivals.passed_over),
        ("handed in nothing", [str(person) for person in done.arrivals.people.missing]),
        ("of unknown people", done.arrivals.people.unknown),
        ("took long, and went to the end of the queue", done.postponed),
        ("decided by hand", [row.name for row in done.rows if row.by_hand]),
    ):
        if names:
            click.echo(f"{words}: {shorten(clean(', '.join(names)), _LINE)}")
    click.echo(f"Next: open {out / 'index.html'}, or results.csv beside it.")
    if "internal" in verdicts:
        sys.exit(BROKEN)
    sys.exit(UNGRADED if "ungraded" in verdicts else PASSED)


@click.command()
@click.argument("results", type=click.Path(path_type=Path, file_okay=False))
@click.argument("who")
@click.option("--points", type=click.FloatRange(0), help="The points that this one shall have.")
@click.option("--set-aside", is_flag=True, help="Take it out of the grades, to be looked at.")
@click.option("--withdraw", is_flag=True, help="Let what the grader said stand again.")
@click.option("--why", default="", help="The reason, which is shown wherever the points are.")
def override(
    results: Path, who: str, points: float | None, set_aside: bool, withdraw: bool, why: str
) -> None:
    """Decide by hand about the hand-in of WHO in the RESULTS of a batch.

    WHO is the name of a hand-in, or the name, id, e-mail or login of a person. What is decided
    outlives a further grading, and is shown beside what the grader said.

    Example: grader override results "Ada Lovelace" --points 80 --why "the mask is right, see 3b"
    """
    from grader.batch import saved

    if [points is not None, set_aside, withdraw].count(True) != 1:
        unusable("give one of --points, --set-aside and --withdraw")
    if not withdraw and not why.strip():
        unusable('say why: --why "…". It is shown wherever the points are')
    try:
        if withdraw:
            row = saved.withdraw(results, who)
        else:
            row = saved.override(results, who, points, why.strip())
    except saved.SavedError as error:
        unusable(str(error))
    said = f"{row.verdict}, {row.score:g} of {row.max_score:g}" if row.graded else row.verdict
    click.echo(f"{row.name}: {said}. {row.by_hand}".strip())


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(
        ["junit", "csv", "gradescope", "classroom", "moodle", "canvas", "gradescope-csv"]
    ),
    required=True,
    help="junit and csv hold any number of reports, gradescope and classroom one; moodle, canvas "
    "and gradescope-csv have the grades of a batch, a line for each person.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to (default: standard output). A folder, for many of which a file holds one.",
)
@click.option("--title", help="What a gradebook calls the assignment (default: the exercise).")
def export(reports: tuple[Path, ...], form: str, out: Path | None, title: str | None) -> None:
    """Write saved REPORTS in another form, without grading again.

    REPORTS are JSON files that `grade --json` or `batch` wrote, or folders of such.

    Example: grader export results --format junit --out results.xml
    """
    from grader import exports
    from grader.files import write_whole

    try:
        if form in exports.PEOPLE:
            text = exports.of_people(form, reports, title)
            if out is None:
                click.echo(text, nl=False)
            else:
                write_whole(out, text)
            return
        found = exports.load(reports)
        if out is None:
            click.echo(exports.as_form(form, list(found.values())), nl=False)
        else:
            exports.write(form, found, out)
    except exports.ExportError as error:
        unusable(str(error))
    except OSError as error:
        unusable(f"{out}: cannot be written ({error.strerror})")


@click.command(name="list")
@click.option("--rubric", is_flag=True, help="The shipped rubric, as a file to change.")
@click.option("--exercise", help="Of which one only (of a rubric default: gpt2).")
def list_(rubric: bool, exercise: str | None) -> None:
    """List exercises and their checks, with points and requirements, in the order of the path.

    Example: grader list --rubric > rubric.toml
    """
    from grader.catalogue import ALL, chosen
    from grader.rubric import as_shipped

    exercise = exercise or ("gpt2" if rubric else ALL)
    check_exercise(exercise)
    if rubric:
        if exercise == ALL:
            unusable("a rubric is that of one exercise; give its name instead of all")
        click.echo(as_shipped(chosen(exercise)[0].checks().values()), nl=False)
        return
    for known in chosen(exercise):
        checks = known.checks().values()
        base = f", builds on {known.base}" if known.base else ""
        click.echo(f"{known.name}  ({known.file}, {sum(c.points for c in checks):g} points{base})")
        part = ""
        for check in checks:
            if check.part != part:
                part = check.part
                points = sum(c.points for c in checks if c.part == part)
                click.echo(f"\n  {part}  {points:g}")
            click.echo(f"    {check.points:>2g}  {check.id:<26} {check.requirement}")
