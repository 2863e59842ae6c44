"""Commands that grade one submission: `grade` and `watch`."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli.common import (
    EXIT_CODES,
    INTERRUPTED,
    ONLY,
    OUTPUT,
    PATH,
    How,
    how_to_grade,
    on_record,
    screen,
    unusable,
    warn,
)
from grader.cli.common import only as one_class

if TYPE_CHECKING:
    from grader.results import CheckResult, Report


@click.command()
@PATH
@how_to_grade
@ONLY
@click.option("-v", "--verbose", is_flag=True, help="Show all that the report has to say.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["github", "vscode", "json-lines"]),
    help="Print lines for a build server or an editor instead of the report.",
)
@click.option("--json", "json_file", type=OUTPUT, help="Also write the report as JSON.")
@click.option("--html", "html_file", type=OUTPUT, help="Also write the report as a page.")
@click.option("--junit", "junit_file", type=OUTPUT, help="Also write JUnit XML.")
@click.option("--gradescope", "gradescope_file", type=OUTPUT, help="Also write results.json.")
@click.option("--classroom", "classroom_file", type=OUTPUT, help="Also for GitHub Classroom.")
@click.option(
    "--for-candidate",
    is_flag=True,
    help="Show, and write as a page, what can be sent on: short, and nothing of this machine.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="How many parts to judge at a time; two are the most.  [default: as many as processors]",
)
@click.option("--untrusted", is_flag=True, help="Refuse to run it below isolation level full.")
@click.option(
    "--allow-weak-isolation",
    is_flag=True,
    help="Run even an --untrusted submission at whatever level can be had.",
)
def grade(
    path: Path,
    how: How,
    only: str,
    verbose: bool,
    form: str | None,
    json_file: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    gradescope_file: Path | None,
    classroom_file: Path | None,
    for_candidate: bool,
    jobs: int | None,
    untrusted: bool,
    allow_weak_isolation: bool,
) -> None:
    """Grade PATH, a file, folder or archive (default: exercises/, or the session's folder).

    Shows the verdict, the points, and the first thing to fix; with -v everything.

    Exit codes: 0 everything passed, 1 something did not, 2 the input was unusable, 3 the grader
    itself failed, 4 it could not be read, so that a person has to look.

    Example: grader grade exercises/gpt2.py --html report.html
    """
    if only and (gradescope_file or classroom_file):
        unusable("--only gives part of a result, which is none for Gradescope or Classroom")
    # Imported here, so that --help and mistyped commands answer at once; and torch is loading in
    # the fork server while the rest is imported.
    gc.disable()  # what is imported stays: it need not be looked through again and again
    from grader.sandbox.server import Limits, start

    with start(Limits.allowing(how.budget)) as server:
        from grader.ahead import processors
        from grader.grade_all import grade as run
        from grader.interrupts import noted
        from grader.sandbox.client import WeakIsolationError
        from grader.submission import UnusableInput

        gc.freeze()
        gc.enable()
        console = screen()
        platforms = {"gradescope": gradescope_file, "classroom": classroom_file}
        write_unfinished(platforms)
        options = how.options(path, untrusted and not allow_weak_isolation, several=True)
        options = replace(one_class(options, only), jobs=jobs or processors())
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
            write_unfinished(platforms, str(error))
            unusable(str(error))
        except KeyboardInterrupt:
            warn("interrupted; no report was written")
            sys.exit(INTERRUPTED)
    if not untrusted:  # or the files of a stranger would be written to
        report = on_record(path, report)
    failed = []  # the files first: whoever reads the screen may close it early
    for file, write in (
        (json_file, _write_json),
        (html_file, _write_letter if for_candidate else _write_page),
        (junit_file, partial(write_form, "junit")),
        (gradescope_file, partial(write_form, "gradescope")),
        (classroom_file, partial(write_form, "classroom")),
    ):
        try:
            if file is not None:
                write(report, file)
        except OSError as error:
            failed.append(f"the report could not be written to {file}: {error.strerror}")
    if for_candidate:
        from grader.report.for_candidate import as_text

        click.echo(as_text({**report.as_json()}), nl=False)
    elif form is not None:
        from grader.report.editors import as_lines

        click.echo(as_lines(form, report), nl=False)
    elif verbose:
        from grader.report import terminal

        terminal.show(report, console)
    else:
        from grader.report import short

        short.show(report, console, console.height if console.is_terminal else None)
    if failed:
        unusable("; ".join(failed))
    sys.exit(EXIT_CODES[report.verdict])


def _write_json(report: Report, file: Path) -> None:
    """Write all that is known. Raises OSError."""
    from grader.report import json_report

    json_report.write(report, file)


def _write_page(report: Report, file: Path) -> None:
    """Write the page. Raises OSError."""
    from grader.report import html

    html.write(report, file)


def _write_letter(report: Report, file: Path) -> None:
    """Write what can be sent on. Raises OSError."""
    from grader.report import for_candidate

    for_candidate.write({**report.as_json()}, file)


def write_form(form: str, report: Report, file: Path) -> None:
    """Write a form for other programs. Raises OSError."""
    from grader import exports
    from grader.files import write_whole

    write_whole(file, exports.as_form(form, [{**report.as_json()}]))


def write_unfinished(files: dict[str, Path | None], why: str = "") -> None:
    """Write into the files for platforms that there is no report, so that whatever happens they
    have something to show.
    """
    from grader.files import write_whole
    from grader.report.platforms import unfinished

    for form, file in files.items():
        if file is not None:
            try:
                write_whole(file, json.dumps(unfinished(form, why), ensure_ascii=False))
            except OSError as error:
                unusable(f"the report could not be written to {file}: {error.strerror}")


@click.command()
@PATH
@how_to_grade
@ONLY
@click.option(
    "--page",
    "with_page",
    is_flag=True,
    help="Serve the report on loopback as a page that follows each save.",
)
def watch(
    path: Path,
    how: How,
    only: str,
    with_page: bool,
) -> None:
    """Grade PATH again at every save, until q or Ctrl-C.

    Shows the verdict, the points, and one thing to fix. Keys: h the next hint for it, n the next
    thing, v all checks, d what the save changed, o the report as a page, r grade again, q quit.

    Example: grader watch exercises/gpt2.py
    """
    from grader.sandbox.server import Limits, start

    with start(Limits.allowing(how.budget)) as server:
        import secrets

        from grader import session
        from grader import watch as watching
        from grader.ahead import processors
        from grader.grading import SEEDS

        if not path.exists():
            unusable(f"{path}: no such file or folder. Give what is to be watched.")
        # One seed for all gradings, so that only a save makes a difference.
        seed = secrets.randbelow(SEEDS) if how.seed is None else how.seed
        options = one_class(how.options(path, several=True), only)
        options = replace(options, seed=seed, jobs=processors())
        found = session.find(path)
        page = watching.Page()
        if with_page:
            click.echo(f"The page: {page.open()}")

        def finish(report: Report) -> Report:
            recorded = on_record(path, report)
            page.show(recorded)
            return recorded

        what = watching.Watch(
            path,
            options,
            server,
            screen(),
            finish=finish,
            clock=found.clock if found else None,
            took_hint=lambda topic: found.took_hint(topic, warn) if found else None,
            page=page,
        )
        try:
            watching.watch(what)
        except KeyboardInterrupt:
            click.echo()
        finally:
            page.close()
