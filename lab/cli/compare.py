"""`lab compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab.cli.common import screen, told
from lab.errors import LabError

if TYPE_CHECKING:
    from rich.table import Table

    from lab.compare import Row


@click.command()
@click.argument("paths", metavar="RUN RUN…", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a page with the curves.",
)
@told
def compare(paths: tuple[Path, ...], html: Path | None) -> None:
    """Show runs side by side: how far each came, and which of their values differ.

    Example: lab compare runs/adamw runs/muon
    """
    from lab.compare import compared, write_page
    from lab.run_folder import find

    if len(paths) < 2:
        raise LabError(f"expected two runs or more, found {len(paths)}")
    runs = [find(path) for path in paths]
    found = compared(runs)
    console = screen()
    console.print(_table(found.names, found.results))
    if found.values:
        console.print("Values that differ:")
        console.print(_table(found.names, found.values))
    for doubt in found.doubts:
        console.print(doubt, style="yellow", markup=False)
    if html is not None:
        try:
            write_page(runs, html)
        except OSError as error:
            raise LabError(f"{html} cannot be written: {error}") from error
        click.echo(html)


def _table(names: list[str], rows: list[Row]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("")
    for name in names:
        table.add_column(Text(name))
    for name, cells in rows:
        table.add_row(name, *map(Text, cells))
    return table
