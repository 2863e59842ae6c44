"""The command for the conversation after the exercise: `scorecard`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli.common import OUTPUT, PATH, How, how_to_grade, unusable, warn


@click.command()
@PATH
@how_to_grade
@click.option(
    "--html",
    "html_file",
    type=OUTPUT,
    default=Path("scorecard.html"),
    show_default=True,
    help="Where to write the page.",
)
def scorecard(path: Path, how: How, html_file: Path) -> None:
    """Write a page to take into the conversation about PATH, a submission or a session's folder.

    It has what is right and wrong, the session over time, questions for this very code with what
    a good answer holds, and room for notes and ratings. It prints on two pages. Nothing is recorded
    in the session.

    Example: grader scorecard my-attempt --html scorecard.html
    """
    from grader import session
    from grader.grading import grade
    from grader.report import scorecard as card
    from grader.sandbox.client import Limits, start
    from grader.submission import UnusableInput

    options = how.options(path)
    try:
        with start(Limits.allowing(how.budget)) as server:
            report = grade(path, options, server=server)
        card.write(report, session.find(path, warn), options.sheet, html_file)
    except UnusableInput as error:
        unusable(str(error))
    except OSError as error:
        unusable(f"the page could not be written to {html_file}: {error.strerror}")
    click.echo(f"{html_file}: {report.verdict}, {report.score:g} of {report.max_score:g} points")
