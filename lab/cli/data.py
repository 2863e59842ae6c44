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
    """Fetch texts and vocabularies, once; each is checked by its hash.

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


@data.command("gpt2-merges")
@_FILE
@told
def gpt2_merges(source: Path | None) -> None:
    """GPT-2's vocab.bpe, 0.5 MB, for --tokens gpt2.

    Example: lab data gpt2-merges
    """
    from lab.data.fetched import GPT2_MERGES

    click.echo(f"{GPT2_MERGES.fetch(source)}: as it should be")
