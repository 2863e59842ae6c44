"""`lab report`."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import told
from lab.errors import LabError


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the page goes (default: report.html in the run's folder).",
)
@told
def report(path: Path, html: Path | None) -> None:
    """Write one page of a run: curves, samples, every number it was made with.

    Example: lab report runs/demo
    """
    from lab.report import write_report
    from lab.run_folder import find

    run = find(path)
    place = html or run.path / "report.html"
    try:
        write_report(run, place)
    except OSError as error:
        raise LabError(f"{place} cannot be written: {error}") from error
    click.echo(place)
