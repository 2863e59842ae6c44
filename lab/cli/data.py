"""`lab data`: files that are fetched once."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import told

_FILE = click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take it from this file, without a network.",
)


@click.group()
def data() -> None:
    """Fetch texts, once; each is checked by its hash.

    Example: lab data shakespeare
    """


@data.command()
@_FILE
@told
def shakespeare(source: Path | None) -> None:
    """Tiny Shakespeare, 1.1 MB, for --data shakespeare.

    Example: lab data shakespeare
    """
    from lab.data.fetched import SHAKESPEARE

    click.echo(f"{SHAKESPEARE.fetch(source)}: as it should be")
