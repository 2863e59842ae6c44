"""`lab draw`."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import SUBMISSION, Near, told
from lab.errors import LabError
from lab.presets import PRESETS, changed, preset

_VOCABULARY = {"chars": 65, "bytes": 256, "gpt2": 50257}


@click.command()
@click.argument(
    "path", metavar="[RUN]", required=False, type=click.Path(path_type=Path, exists=True)
)
@click.option("--preset", "name", type=Near(list(PRESETS)), default="cpu", show_default=True)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any value; see `lab presets`."
)
@click.option("--vocab-size", type=click.IntRange(1), help="Without RUN: how many tokens.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The SVG (default: architecture.svg, in the run's folder or here).",
)
@SUBMISSION
@told
def draw(
    path: Path | None,
    name: str,
    settings: tuple[str, ...],
    vocab_size: int | None,
    out: Path | None,
    submission: Path | None,
) -> None:
    """Draw the submission's own model, block by block, with shapes and numbers of parameters.

    Of a run, or as a preset would build it. The page of `lab report` shows the picture, too.

    Example: lab draw --submission attempt --preset gpt2-small
    """
    from grader.files import write_whole
    from lab import drawing
    from lab.anatomy import anatomy
    from lab.code import code_of
    from lab.model import build
    from lab.run_folder import LANGUAGE_MODEL, find

    run = find(path, LANGUAGE_MODEL) if path else None
    code = code_of(run, submission)
    if run is not None and (settings or vocab_size):
        raise LabError("a run has its sizes: --set and --vocab-size are for a drawing without one")
    recipe = run.recipe if run else changed(preset(name), settings)
    tokens = run.facts["vocab_size"] if run else vocab_size or _VOCABULARY[recipe.tokens]
    whole = anatomy(build(code, recipe, tokens), tokens, recipe.block_size)
    place = out or (run.path if run else Path()) / "architecture.svg"
    try:
        if run is not None and out is None:
            drawing.write(run.path, whole)
        else:
            write_whole(place, drawing.svg(whole))
    except OSError as error:
        raise LabError(f"{place} cannot be written: {error}") from error
    click.echo(f"{place}: {whole.kind}, {whole.count:,} parameters")
