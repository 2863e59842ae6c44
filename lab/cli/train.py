"""`lab train`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lab.cli.common import (
    DEVICE,
    LITERAL,
    MERGES,
    SUBMISSION,
    THREADS,
    Near,
    say_difference,
    screen,
    set_threads,
    told,
)
from lab.environment import keep_memory
from lab.errors import LabError
from lab.presets import CHOICES, PRESETS, changed, gently, on_base, preset


@click.command()
@click.option(
    "--data",
    "source",
    metavar="FILE|FOLDER|default|shakespeare",
    help="The text, or JSON Lines. default: Python's own documentation, which needs no network.",
)
@click.option(
    "--text", "field", default="text", show_default=True, help="Of JSON Lines: the text's field."
)
@click.option("--preset", "name", type=Near(list(PRESETS)), default="cpu", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of the run: a new one, or with --resume one to go on with.",
)
@click.option("--tokens", type=click.Choice(CHOICES["tokens"]), help="Instead of the preset's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any value of the preset, such as learning_rate=1e-3; `lab presets` lists them.",
)
@click.option("--sdpa", is_flag=True, help="Compute attention in one fused call.")
@click.option(
    "--from",
    "origin",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN|FOLDER",
    help="Begin with the weights, tokens and sizes of a run, or of a GPT-2 as `lab load-gpt2` "
    "takes it; with a tenth of the preset's learning rate.",
)
@click.option("--freeze", type=click.IntRange(0), help="So many first blocks do not learn.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint.")
@click.option(
    "--like",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="Instead of a preset: all values of this run, and the arithmetic that it settled on.",
)
@click.option("--no-look", is_flag=True, help="Train what a look finds unable to learn, too.")
@LITERAL
@SUBMISSION
@MERGES
@DEVICE
@THREADS
@told
def train(
    source: str | None,
    field: str,
    name: str,
    out: Path,
    tokens: str | None,
    settings: tuple[str, ...],
    sdpa: bool,
    origin: Path | None,
    freeze: int | None,
    resume: bool,
    like: Path | None,
    no_look: bool,
    literal: bool,
    submission: Path | None,
    merges: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Train a GPT2 of the submission on a text.

    Ctrl-C writes a checkpoint and ends; --resume goes on from there, with the same numbers as if
    nothing had happened. Several processes: torchrun --nproc-per-node 2 -m lab train …

    Example: lab train --data default --preset demo --out runs/demo
    """
    settings += tuple(["attention=sdpa"] * sdpa) + ((f"tokens={tokens}",) if tokens else ())
    settings += (f"freeze={freeze}",) if freeze is not None else ()
    recipe = changed(preset(name), settings)  # before anything slow: a slip is told at once
    if resume and (like or origin):
        raise LabError("--resume keeps to the run's own: --like and --from are for a new run")

    from lab import start
    from lab.code import code_of
    from lab.device import choose
    from lab.origin import origin_of, run_at
    from lab.parallel import joined
    from lab.run_folder import LANGUAGE_MODEL, find
    from lab.stop import INTERRUPTED

    run = find(out, LANGUAGE_MODEL) if resume else run_at(origin) if origin else None
    code = code_of(run, submission)
    if origin and run is not None:
        say_difference(run, code)
    chosen = choose(device)
    keep_memory()
    model = out if resume else like
    set_threads(threads or (start.threads_of(model) if model else None))
    with joined(chosen) as team:
        asked = start.Asked(out, source, code, merges, chosen, team, not no_look, field, literal)
        if resume:
            job = start.again(asked, settings)
        else:
            begun = origin_of(origin, code, merges) if origin else None
            if like is not None:
                recipe = changed(find(like, LANGUAGE_MODEL).recipe, settings)
            if begun is not None:
                rates = recipe if like else gently(preset(name))
                recipe = on_base(rates, begun.recipe, settings)
            job = start.begin(asked, recipe, begun)
        finished = start.carry_out(job, screen(quiet=not team.leads))
    sys.exit(0 if finished else INTERRUPTED)


@click.command()
def presets() -> None:
    """List the presets and all their values, and say what each is.

    Example: lab presets
    """
    from dataclasses import asdict

    from rich.table import Table

    from lab import about

    for name, words in about.PRESETS.items():
        click.echo(f"{name:11} {words}")
    columns = {name: asdict(recipe) for name, recipe in PRESETS.items()}
    table = Table("", *columns)
    for value in next(iter(columns.values())):
        table.add_row(value, *(f"{column[value]}" for column in columns.values()))
    screen().print(table)
    for value, words in about.VALUES.items():
        click.echo(f"{value:18} {words}")
