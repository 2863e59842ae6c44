"""`lab finetune` and `lab classify`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from lab.presets import CHOICES, PRESETS, Recipe, changed, on_base, preset

_EPOCHS = 3
# A model that knows something should not forget it.
_GENTLY: dict[str, Any] = {"learning_rate": 1e-4, "min_learning_rate": 1e-5, "dropout": 0.1}


@click.command()
@click.option(
    "--data",
    "source",
    type=click.Path(path_type=Path, exists=True),
    help="A folder in AG News' form (train.csv, test.csv, classes.txt), or a CSV or JSONL file.",
)
@click.option(
    "--text",
    "columns",
    multiple=True,
    help="The column of the texts, or its number from 1; more than once: they are put together.",
)
@click.option("--label", help="The column of the classes, or its number from 1.")
@click.option(
    "--test",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another such file to measure on (default: a tenth of the first).",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True),
    help="What is fine-tuned: a run, or a GPT-2 as `lab load-gpt2` takes it (default: a new model "
    "of the preset).",
)
@click.option("--preset", "name", type=Near(list(PRESETS)), default="classifier", show_default=True)
@click.option("--tokens", type=click.Choice(CHOICES["tokens"]), help="Without --base.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="How often all rows are read (default: 3, or what --set iterations=N makes of it).",
)
@click.option("--freeze", type=click.IntRange(0), help="So many first blocks do not learn.")
@click.option("--lora", type=click.IntRange(1), help="Train adapters of this rank (lora.py).")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any value; see `lab presets`."
)
@LITERAL
@SUBMISSION
@MERGES
@DEVICE
@THREADS
@told
def finetune(
    source: Path | None,
    columns: tuple[str, ...],
    label: str | None,
    test: Path | None,
    base: Path | None,
    name: str,
    tokens: str | None,
    out: Path,
    epochs: int | None,
    freeze: int | None,
    lora: int | None,
    resume: bool,
    settings: tuple[str, ...],
    literal: bool,
    submission: Path | None,
    merges: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Fine-tune a model to tell the classes of texts.

    Ctrl-C writes a checkpoint and ends; --resume goes on from there.

    Example: lab finetune --data ag_news --base runs/gpt2 --out runs/news
    """
    from lab import tuning
    from lab.code import code_of
    from lab.device import choose
    from lab.origin import origin_of, run_at
    from lab.run_folder import CLASSIFIER, find
    from lab.start import threads_of
    from lab.stop import INTERRUPTED

    if resume and (source or base):
        raise LabError("--resume keeps to the run's own: --data and --base are for a new run")
    if epochs is not None and any(one.startswith("iterations=") for one in settings):
        raise LabError("--epochs and iterations both say how long it takes: give one of them")
    settings += tuple([f"tokens={tokens}"] * (tokens is not None))
    settings += tuple([f"freeze={freeze}"] * (freeze is not None))
    settings += tuple([f"lora={lora}"] * (lora is not None))
    begun = find(out, CLASSIFIER) if resume else run_at(base) if base else None
    code = code_of(begun, submission)
    if begun is not None and not resume:
        say_difference(begun, code)
    chosen = choose(device)
    keep_memory()
    set_threads(threads or (threads_of(out) if resume else None))
    if resume:
        tune = tuning.again(out, settings, epochs, code, chosen)
    elif source is None:
        raise LabError("--data names the texts and their classes; or go on with --resume")
    else:
        origin = origin_of(base, code, merges) if base else None
        recipe = _recipe(preset(name), origin.recipe if origin else None, settings)
        rows = tuning.Rows(source, columns, label, test, literal)
        tune = tuning.begin(out, rows, recipe, epochs or _EPOCHS, code, merges, chosen, origin)
    finished = tuning.carry_out(tune, screen())
    sys.exit(0 if finished else INTERRUPTED)


def _recipe(start: Recipe, base: Recipe | None, settings: tuple[str, ...]) -> Recipe:
    """The base's model, or the preset's; and how it is trained. iterations: 0 if nobody says."""
    start = replace(start, iterations=0, decay_iterations=0)
    if base is None:
        return changed(start, settings)
    return on_base(replace(start, **_GENTLY), base, settings)


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path, exists=True))
@click.argument("texts", nargs=-1)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with a text on each line.",
)
@SUBMISSION
@DEVICE
@THREADS
@told
def classify(
    path: Path,
    texts: tuple[str, ...],
    file: Path | None,
    submission: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Tell the class of each text, and how probable it is.

    Example: lab classify runs/news "Shares rose after the merger."
    """
    from lab.classifier import judge
    from lab.code import code_of
    from lab.data.tables import decoded
    from lab.device import choose
    from lab.run_folder import CLASSIFIER, find

    set_threads(threads)
    asked = [*texts, *(decoded(file)[0].splitlines() if file else [])]
    if not asked:
        raise LabError("no text is given: name some, or a file with --file")
    run = find(path, CLASSIFIER)
    code = code_of(run, submission)
    say_difference(run, code)
    answers = judge(run, code, choose(device)).ask(asked)
    for text, (name, probability) in zip(asked, answers, strict=True):
        click.echo(f"{probability:.3f}  {name}  {text}")
