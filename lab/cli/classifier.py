"""`lab finetune` and `lab classify`."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lab.cli.common import (
    DEVICE,
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
from lab.presets import CHOICES, MODEL_FIELDS, PRESETS, Recipe, changed, preset

if TYPE_CHECKING:
    from rich.console import Console

    from lab.run_folder import Run

# A model that knows something should not forget it.
_GENTLY: dict[str, Any] = {"learning_rate": 1e-4, "min_learning_rate": 1e-5, "dropout": 0.1}


@click.command()
@click.option(
    "--data",
    "source",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="A folder in AG News' form (train.csv, test.csv, classes.txt), or a CSV or JSONL file.",
)
@click.option(
    "--text",
    "columns",
    multiple=True,
    help="The column of the texts; more than once: they are put together.",
)
@click.option("--label", help="The column of the classes.")
@click.option(
    "--test",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another such file to measure on (default: a tenth of the first).",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True),
    help="The run whose model is fine-tuned (default: a new model of the preset).",
)
@click.option("--preset", "name", type=Near(list(PRESETS)), default="classifier", show_default=True)
@click.option("--tokens", type=click.Choice(CHOICES["tokens"]), help="Without --base.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--epochs", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any value; see `lab presets`."
)
@SUBMISSION
@MERGES
@DEVICE
@THREADS
@told
def finetune(
    source: Path,
    columns: tuple[str, ...],
    label: str | None,
    test: Path | None,
    base: Path | None,
    name: str,
    tokens: str | None,
    out: Path,
    epochs: int,
    settings: tuple[str, ...],
    submission: Path | None,
    merges: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Fine-tune a model to tell the classes of texts.

    Example: lab finetune --data ag_news --base runs/gpt2 --out runs/news
    """
    import torch

    from grader.sandbox.worker.uncompiled import put_off
    from lab import classifier, log
    from lab.checkpoint import room_for
    from lab.code import code_of, facts_of
    from lab.code import in_words as whose
    from lab.data.labelled import read_labelled
    from lab.data.tokens import Characters, GPT2Tokens, find_merges
    from lab.device import choose, in_words
    from lab.progress import shown
    from lab.run_folder import CLASSIFIER, LANGUAGE_MODEL, create, find
    from lab.stop import INTERRUPTED, asked_to_stop

    begun = find(base, LANGUAGE_MODEL) if base else None
    code = code_of(begun, submission)
    if begun is not None:
        say_difference(begun, code)
    recipe = _recipe(begun, name, tokens, settings)
    chosen = choose(device)
    keep_memory()
    set_threads(threads)
    data = read_labelled(source, columns, label, test)
    for note in data.notes:
        click.echo(note, err=True)
    if begun is not None:
        kind = begun.tokens(code)
    elif recipe.tokens == "gpt2":
        kind = GPT2Tokens(find_merges(merges), code)
    else:
        kind = Characters.of(text for text, _ in data.train)
    steps = epochs * math.ceil(len(data.train) / recipe.batch_size)
    recipe = replace(recipe, iterations=steps, decay_iterations=0)
    code.get("training", "configure_optimizer")

    torch.manual_seed(recipe.seed)
    model = classifier.make(code, recipe, kind.vocab_size, len(data.classes), begun)
    facts = {
        "data": {"source": str(source), "rows": len(data.train), "measured_on": len(data.test)},
        "base": str(base) if base else "none",
        "classes": data.classes,
        "vocab_size": kind.vocab_size,
        "device": in_words(chosen),
    }
    run = create(out, CLASSIFIER, recipe, kind, code, facts)
    task = classifier.Task(code, run, data, kind, chosen)
    room_for(out, model)
    put_off()
    tuning = classifier.FineTuning(task, model)
    console = screen()
    console.print(
        f"{len(data.train):,} texts of {len(data.classes)} classes, measured on "
        f"{len(data.test):,}, on {in_words(chosen)}",
        markup=False,
    )
    console.print(whose(facts_of(code)), markup=False)
    entries = log.Log(run.log)
    with asked_to_stop() as stopping, shown(console, steps) as bar:
        table = classifier.finetune(tuning, task, epochs, entries, bar, stopping)
        stopped = stopping()
    entries.close()
    _conclude(run, table, console)
    sys.exit(INTERRUPTED if stopped else 0)


def _recipe(base: Run | None, name: str, tokens: str | None, settings: tuple[str, ...]) -> Recipe:
    """The base's model, or the preset's; and how it is trained."""
    start = replace(preset(name), iterations=0)
    if tokens is not None:
        settings += (f"tokens={tokens}",)
    if base is not None:
        given = {field: getattr(base.recipe, field) for field in MODEL_FIELDS}
        start = replace(start, **given, **_GENTLY)
    recipe = changed(start, settings)
    for field in MODEL_FIELDS if base is not None else ():
        if getattr(recipe, field) != getattr(start, field):
            raise LabError(f"{field} cannot be set: the base's model has it already")
    return recipe


def _conclude(run: Run, table: list[list[int]], console: Console) -> None:
    """The report of each class, the pictures, and where things are."""
    from rich.table import Table

    from lab.data.labelled import per_class
    from lab.log import read

    classes = run.facts["classes"]
    shown = Table("class", "precision", "recall", "F1", "rows")
    for line in per_class(table, classes):
        numbers = (f"{line[key]:.3f}" for key in ("precision", "recall", "f1"))
        shown.add_row(str(line["class"]), *numbers, str(line["rows"]))
    console.print(shown)
    try:
        from lab.curves import draw_confusion, draw_losses

        draw_confusion(table, classes, run.path / "confusion")
        draw_losses(read(run.log), run.path / "loss")
    except ImportError:
        console.print("no pictures: pip install 'gpt2-interview-kit[lab]' brings matplotlib")
    except OSError as error:
        console.print(f"pictures could not be written: {error}", markup=False)
    console.print(f"next: lab classify {run.path} TEXT   or   lab report {run.path}", markup=False)


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
