"""From what was asked for to a run: new, or gone on with; and its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from rich.console import Console

from grader.sandbox.worker.uncompiled import put_off
from lab import attention, checkpoint, code, compiled, drawing, log
from lab.anatomy import anatomy
from lab.data.corpus import Corpus, read_corpus
from lab.data.dataset import Dataset, prepare
from lab.data.tokens import Tokens, literally, made
from lab.device import in_words, linear_by_onednn, training_precision
from lab.errors import LabError
from lab.look import look
from lab.loop import train
from lab.model import build, trained
from lab.origin import Origin, origin_of
from lab.parallel import Team
from lab.presets import Recipe, changed, check_same_model
from lab.progress import shown
from lab.run_folder import LANGUAGE_MODEL, Run, check_free, create, find, record
from lab.stop import asked_to_stop
from lab.submission import Submission
from lab.train import Job, Training


@dataclass(frozen=True)
class Asked:
    """What a command asks for, besides the recipe.

    source: the text; field: of JSON Lines, what holds it; literal: see GPT2Tokens.
    """

    out: Path
    source: str | None
    submission: Submission
    merges: Path | None
    device: torch.device
    team: Team
    looking: bool = True
    field: str = "text"
    literal: bool = False

    def check(self, recipe: Recipe) -> None:
        """Raise LabError for what would be found out in the midst of it."""
        self.team.check(recipe.batch_size, recipe.accumulation)
        if recipe.lora:
            raise LabError("lora is for lab finetune: a language model trains all its weights")
        for name in ("get_batch", "train_step", "estimate_loss"):
            self.submission.get("training", name)
        self.submission.has("generation", "generate")
        compiled.pays(recipe.compile, self.device)  # or says why it cannot

    def seen(self, recipe: Recipe, vocab_size: int) -> list[str]:
        """What a look at the model says, if one is wanted. Raises LabError."""
        if not self.looking or not self.team.leads:
            return []
        return look(self.submission, recipe, vocab_size, self.device)


def begin(asked: Asked, recipe: Recipe, origin: Origin | None = None) -> Job:
    """A new run. Everything that can be wrong is found out before the folder is made."""
    code, team, device = asked.submission, asked.team, asked.device
    if team.leads:
        check_free(asked.out)
    source = asked.source or "default"
    corpus = read_corpus(source, asked.field)
    tokens = origin.tokens if origin else _tokens(corpus, recipe, asked)
    if asked.literal:
        literally(tokens)
    vocab_size = tokens.vocab_size
    dataset = _dataset(corpus, tokens, recipe)
    asked.check(recipe)
    small = build(code, replace(recipe, num_layers=1), vocab_size)
    attention.use(recipe.attention, small, recipe.block_size, torch.device("cpu"))
    notes = asked.seen(recipe, vocab_size)
    # A run that is gone on with computes as it did before.
    chosen = settled(recipe, device, team)
    if "auto" in (recipe.precision, recipe.linear):
        notes.append(f"arithmetic settled by trying; --like {asked.out} gives another run the same")
    facts = {
        "data": {"source": source, "field": asked.field, **dataset.facts()},
        **({"from": str(origin.place)} if origin else {}),
        "vocab_size": vocab_size,
        "device": in_words(device),
        "threads": torch.get_num_threads(),
        "processes": team.size,
    }
    run = Run(asked.out, LANGUAGE_MODEL, chosen, facts)
    if team.leads:
        run = create(asked.out, LANGUAGE_MODEL, chosen, tokens, code, facts)
    return Job(code, run, dataset, tokens, device, team, tuple(notes), origin)


def again(asked: Asked, settings: tuple[str, ...]) -> Job:
    """A run to go on with. What makes its model may not be set anew; what else is, lasts."""
    run, code = find(asked.out, LANGUAGE_MODEL), asked.submission
    if "data" not in run.facts:
        raise LabError(f"{asked.out} was not trained here, so there is nothing to resume")
    recipe = changed(run.recipe, settings)
    check_same_model(run.recipe, recipe)
    if recipe.freeze != run.recipe.freeze:
        raise LabError("freeze cannot be set anew: the optimizer knows what learned so far")
    asked.check(recipe)
    tokens = run.tokens(code)
    began = run.facts["data"]
    corpus = read_corpus(asked.source or began["source"], began.get("field", "text"))
    dataset = _dataset(corpus, tokens, recipe)
    _check_same(began, dataset)
    notes = asked.seen(recipe, tokens.vocab_size)
    origin = None
    if "from" in run.facts and not checkpoint.everyone(run.checkpoints):
        origin = origin_of(Path(run.facts["from"]), code, asked.merges)
    job = Job(code, run, dataset, tokens, asked.device, asked.team, tuple(notes), origin)
    return replace(job, run=replace(run, recipe=recipe), before=run)


def _tokens(corpus: Corpus, recipe: Recipe, asked: Asked) -> Tokens:
    """Those that the recipe names."""
    return made(recipe.tokens, corpus.pieces(), asked.merges, asked.submission)


def threads_of(out: Path) -> int | None:
    """How many threads a run computes with: with others, sums would round differently."""
    threads: int | None = find(out).facts.get("threads")
    return threads


def settled(recipe: Recipe, device: torch.device, team: Team) -> Recipe:
    """The recipe with its arithmetic decided, for all processes alike."""
    narrow = team.any(training_precision(recipe.precision, device) == torch.bfloat16)
    onednn = team.any(linear_by_onednn(recipe.linear, device))
    return replace(
        recipe,
        precision="bfloat16" if narrow else "float32",
        linear="onednn" if onednn else "torch",
    )


def _dataset(corpus: Corpus, tokens: Tokens, recipe: Recipe) -> Dataset:
    """The dataset, long enough for the recipe."""
    dataset = prepare(corpus, tokens)
    if not len(dataset.train):
        raise LabError("the text is empty")
    dataset.check(recipe.block_size)
    return dataset


def _check_same(began: dict[str, Any], dataset: Dataset) -> None:
    """Raise LabError unless the tokens are those that a run began with."""
    if dataset.key != began["key"] and dataset.ids != began.get("ids"):
        raise LabError(
            "this is not the text that the run began with, or tokenizer.py makes other tokens of "
            "it by now; it cannot go on: train another run, or take back what has changed"
        )


def carry_out(job: Job, console: Console) -> bool:
    """Train, from the newest checkpoint if there is one; says whether the end was reached."""
    put_off()
    training = Training(job)
    if changed := code.difference(job.run, job.submission, of_training=True):
        console.print(changed, style="yellow", markup=False)
    if job.team.leads:
        checkpoint.room_for(job.run.path, training.model)
    resumed = training.restore()
    if job.team.leads:
        if job.before is not None:
            record(job.before, job.recipe, job.submission, training.done)
        log.rewind(job.run.log, training.done if resumed else -1)
    if job.team.leads and not resumed:
        _draw(training, console)
    _introduce(training, console)
    entries = log.Log(job.run.log) if job.team.leads else None
    with (
        asked_to_stop() as stopping,
        shown(console, job.recipe.iterations, training.done) as bar,
    ):
        finished = train(training, entries, bar, stopping)
    if entries is not None:
        if not entries.close():
            console.print("the disk took not all of the log: its last lines are missing")
        _conclude(job, training, finished, console)
    return finished


def _draw(training: Training, console: Console) -> None:
    """A picture of the model. It is no reason to stop if there is none."""
    job = training.job
    try:
        whole = anatomy(training.model, job.tokens.vocab_size, job.recipe.block_size)
        drawing.write(job.run.path, whole)
    except Exception as error:  # whatever the submission's code raises, training will show
        console.print(f"no picture of the model: {error}", markup=False)


def _introduce(training: Training, console: Console) -> None:
    job = training.job
    facts: dict[str, Any] = job.dataset.facts()
    console.print(
        f"{trained(training.model)}, {facts['train_tokens']:,} tokens to learn from "
        f"({job.tokens.vocab_size:,} different) of {job.run.facts['data']['source']}, on "
        f"{in_words(job.device)}, in {job.recipe.precision}, linear layers by {job.recipe.linear}",
        markup=False,
    )
    console.print(code.told(job.submission), markup=False)
    for note in job.notes:
        console.print(note, markup=False)
    if job.recipe.warmup_iterations >= job.recipe.iterations:
        console.print(
            f"warmup_iterations={job.recipe.warmup_iterations} is not less than "
            f"iterations={job.recipe.iterations}: the learning rate only rises",
            style="yellow",
        )
    if compiled.pays(job.recipe.compile, job.device):
        console.print("the model is compiled first, which takes a while if it is done anew")
    if training.done:
        console.print(f"going on from iteration {training.done}", markup=False)


def _conclude(job: Job, training: Training, finished: bool, console: Console) -> None:
    """Pictures and samples, and where things are."""
    path = job.run.path
    entries = log.read(job.run.log)
    samples = [f"--- {e['step']}\n{e['text']}" for e in entries if e["event"] == "sample"]
    try:
        if samples:
            (path / "samples.txt").write_text("\n".join(samples) + "\n", encoding="utf-8")
        from lab.curves import draw_losses

        draw_losses(entries, path / "loss")
    except ImportError:
        console.print("no pictures: pip install 'gpt2-interview-kit[lab]' brings matplotlib")
    except OSError as error:
        console.print(f"samples and pictures could not be written: {error}", markup=False)
    place = quote(str(path))
    if finished:
        console.print(f"the best validation loss is {training.best:.4f}", markup=False)
        words = f"next: lab sample {place}   or   lab report {place}"
    else:
        words = (
            f"stopped at iteration {training.done} of {job.recipe.iterations}; go on with "
            f"lab train --resume --out {place}"
        )
    console.print(words, markup=False, soft_wrap=True)  # to be copied
