"""Fine-tuning from what was asked for to a run: new, or gone on with; and its end."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from grader.sandbox.worker.uncompiled import put_off
from lab import classifier, code, log
from lab.checkpoint import room_for
from lab.classifier import FineTuning, Task
from lab.data.labelled import Labelled, per_class, read_labelled
from lab.data.tokens import literally, made
from lab.device import in_words
from lab.errors import LabError
from lab.model import trained
from lab.origin import Origin, origin_of
from lab.parallel import Team
from lab.presets import Recipe, changed, check_same_model
from lab.progress import shown
from lab.run_folder import CLASSIFIER, Run, check_free, create, find, record
from lab.start import settled
from lab.stop import asked_to_stop
from lab.submission import Submission


@dataclass(frozen=True)
class Rows:
    """Where texts and their classes come from; see read_labelled. literal: see GPT2Tokens."""

    source: Path
    columns: tuple[str, ...] = ()
    label: str | None = None
    test: Path | None = None
    literal: bool = False

    def read(self) -> Labelled:
        """Raises LabError."""
        return read_labelled(self.source, self.columns, self.label, self.test)

    def facts(self, data: Labelled) -> dict[str, Any]:
        """What config.json says of them."""
        return {
            "source": str(self.source),
            "columns": list(self.columns),
            "label": self.label,
            "test": str(self.test) if self.test else None,
            "rows": len(data.train),
            "measured_on": len(data.test),
            "key": _key(data),
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Rows:
        """From what config.json says."""
        test = facts.get("test")
        columns = tuple(facts.get("columns", ()))
        return cls(Path(facts["source"]), columns, facts.get("label"), Path(test) if test else None)


@dataclass(frozen=True)
class Tune:
    """What is to be carried out; origin: what it begins with; before: what it is gone on with."""

    task: Task
    origin: Origin | None = None
    before: Run | None = None


def begin(
    out: Path,
    rows: Rows,
    recipe: Recipe,
    epochs: int,
    submission: Submission,
    merges: Path | None,
    device: torch.device,
    origin: Origin | None,
) -> Tune:
    """A new run. recipe: with iterations 0, so many epochs. Raises LabError."""
    check_free(out)
    data = rows.read()
    words = (text for text, _ in data.train)
    tokens = origin.tokens if origin else made(recipe.tokens, words, merges, submission)
    if rows.literal:
        literally(tokens)
    steps = recipe.iterations or epochs * math.ceil(len(data.train) / recipe.batch_size)
    recipe = settled(replace(recipe, iterations=steps), device, Team())
    submission.get("training", "configure_optimizer")
    submission.get("classification", "finetune_step")
    small = replace(recipe, num_layers=max(1, recipe.freeze))  # what is wrong with it, shows first
    classifier.make(submission, small, tokens.vocab_size, len(data.classes), None)
    facts = {
        "data": rows.facts(data),
        "base": str(origin.place) if origin else "none",
        "classes": data.classes,
        "vocab_size": tokens.vocab_size,
        "device": in_words(device),
        "threads": torch.get_num_threads(),
    }
    run = create(out, CLASSIFIER, recipe, tokens, submission, facts)
    return Tune(Task(submission, run, data, tokens, device), origin)


def again(
    out: Path, settings: tuple[str, ...], epochs: int | None, code: Submission, device: torch.device
) -> Tune:
    """A run to go on with. Raises LabError."""
    run = find(out, CLASSIFIER)
    facts: dict[str, Any] = run.facts["data"]
    data = Rows.of(facts).read()
    if "key" not in facts:
        raise LabError(f"{out} was made by an older lab, which kept nothing to go on from")
    if facts["key"] != _key(data):
        raise LabError(f"{facts['source']} has other rows than when the run began; it cannot go on")
    recipe = changed(run.recipe, settings)
    check_same_model(run.recipe, recipe)
    if recipe.lora != run.recipe.lora:
        raise LabError("lora cannot be set anew: the adapters are part of the model")
    if recipe.freeze != run.recipe.freeze or recipe.batch_size != run.recipe.batch_size:
        raise LabError("freeze and batch_size cannot be set anew in the midst of an epoch's rows")
    if epochs is not None:
        steps = epochs * math.ceil(len(data.train) / recipe.batch_size)
        recipe = replace(recipe, iterations=steps)
    origin = None
    if run.facts["base"] != "none" and not any(run.checkpoints.glob("[0-9]*")):
        origin = origin_of(Path(run.facts["base"]), code, None)
    task = Task(code, replace(run, recipe=recipe), data, run.tokens(code), device)
    return Tune(task, origin, run)


def carry_out(tune: Tune, console: Console) -> bool:
    """Fine-tune, from the newest checkpoint if there is one; says whether the end was reached."""
    task = tune.task
    run, data, recipe = task.run, task.data, task.recipe
    put_off()
    torch.manual_seed(recipe.seed)
    classes, vocab_size = len(data.classes), task.tokens.vocab_size
    model = classifier.make(task.submission, recipe, vocab_size, classes, tune.origin)
    tuning = FineTuning(task, model)
    if changes := code.difference(run, task.submission, of_training=True):
        console.print(changes, style="yellow", markup=False)
    room_for(run.path, model)
    resumed = tuning.restore()
    if tune.before is not None:
        record(tune.before, recipe, task.submission, tuning.done)
    log.rewind(run.log, tuning.done if resumed else -1)
    _introduce(tune, tuning, console)
    entries = log.Log(run.log)
    with asked_to_stop() as stopping, shown(console, recipe.iterations, tuning.done) as bar:
        finished = classifier.finetune(tuning, task, entries, bar, stopping)
    entries.close()
    _conclude(tuning, run, finished, console)
    return finished


def _key(data: Labelled) -> str:
    """A hash of all rows in their order."""
    return hashlib.sha256(json.dumps([data.train, data.test]).encode()).hexdigest()[:24]


def _introduce(tune: Tune, tuning: FineTuning, console: Console) -> None:
    task = tune.task
    console.print(
        f"{trained(tuning.classifier)}, {len(task.data.train):,} texts of "
        f"{len(task.data.classes)} classes, measured on {len(task.data.test):,}, on "
        f"{in_words(task.device)}, in {task.recipe.precision}, linear layers by "
        f"{task.recipe.linear}",
        markup=False,
    )
    for note in (*task.data.notes, code.told(task.submission)):
        console.print(note, markup=False)
    if task.recipe.warmup_iterations >= task.recipe.iterations:
        console.print(
            f"warmup_iterations={task.recipe.warmup_iterations} is not less than "
            f"iterations={task.recipe.iterations}: the learning rate only rises",
            style="yellow",
        )
    if tuning.done:
        console.print(f"going on from iteration {tuning.done}", markup=False)


def _conclude(tuning: FineTuning, run: Run, finished: bool, console: Console) -> None:
    """The report of each class, the pictures, and where things are."""
    table, classes = tuning.best_table, run.facts["classes"]
    if table:
        shown_table = Table("class", "precision", "recall", "F1", "rows")
        for line in per_class(table, classes):
            numbers = (f"{line[key]:.3f}" for key in ("precision", "recall", "f1"))
            shown_table.add_row(str(line["class"]), *numbers, str(line["rows"]))
        console.print(shown_table)
        _draw(table, run, console)
    place = quote(str(run.path))
    if finished:
        words = f"next: lab classify {place} TEXT   or   lab report {place}"
    else:
        words = (
            f"stopped at iteration {tuning.done} of {run.recipe.iterations}; go on with "
            f"lab finetune --resume --out {place}"
        )
    console.print(words, markup=False, soft_wrap=True)  # to be copied


def _draw(table: list[list[int]], run: Run, console: Console) -> None:
    try:
        from lab.curves import draw_confusion, draw_losses

        draw_confusion(table, run.facts["classes"], run.path / "confusion")
        draw_losses(log.read(run.log), run.path / "loss")
    except ImportError:
        console.print("no pictures: pip install 'gpt2-interview-kit[lab]' brings matplotlib")
    except OSError as error:
        console.print(f"pictures could not be written: {error}", markup=False)
