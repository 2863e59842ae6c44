"""From what was asked for to a run: new, or gone on with; and its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from grader.sandbox.worker.uncompiled import put_off
from lab import attention, checkpoint, code, compiled, log
from lab.data.dataset import Dataset, prepare
from lab.data.texts import read_texts
from lab.data.tokens import Characters, GPT2Tokens, Tokens, find_merges
from lab.device import in_words, linear_by_onednn, training_precision
from lab.errors import LabError
from lab.look import look
from lab.loop import train
from lab.model import build, count
from lab.parallel import Team
from lab.presets import MODEL_FIELDS, Recipe, changed
from lab.progress import shown
from lab.run_folder import LANGUAGE_MODEL, Run, check_free, create, find
from lab.stop import asked_to_stop
from lab.submission import Submission
from lab.train import Job, Training


def begin(
    out: Path,
    recipe: Recipe,
    source: str,
    submission: Submission,
    merges: Path | None,
    device: torch.device,
    team: Team,
    looking: bool = True,
) -> Job:
    """A new run. Everything that can be wrong is found out before the folder is made."""
    if team.leads:
        check_free(out)
    team.check(recipe.batch_size, recipe.accumulation)
    texts = read_texts(source)
    tokens: Tokens
    if recipe.tokens == "gpt2":
        tokens = GPT2Tokens(find_merges(merges), submission)
    else:
        tokens = Characters.of(texts)
    dataset = _dataset(texts, tokens, recipe)
    for name in ("get_batch", "train_step", "estimate_loss"):
        submission.get("training", name)
    submission.has("generation", "generate")
    compiled.pays(recipe.compile, device)  # or says why it cannot, as does the next
    small = build(submission, replace(recipe, num_layers=1), tokens.vocab_size)
    attention.use(recipe.attention, small, recipe.block_size, torch.device("cpu"))
    notes = look(submission, recipe, tokens.vocab_size, device) if looking and team.leads else []
    # A run that is gone on with computes as it did before.
    asked, recipe = recipe, _settled(recipe, device, team)
    if "auto" in (asked.precision, asked.linear):
        notes.append(f"arithmetic settled by trying; --like {out} gives another run the same")
    facts = {
        "data": {"source": source, **dataset.facts()},
        "vocab_size": tokens.vocab_size,
        "device": in_words(device),
        "threads": torch.get_num_threads(),
        "processes": team.size,
    }
    run = Run(out, LANGUAGE_MODEL, recipe, facts)
    if team.leads:
        run = create(out, LANGUAGE_MODEL, recipe, tokens, submission, facts)
    return Job(submission, run, dataset, tokens, device, team, tuple(notes))


def again(
    out: Path,
    settings: tuple[str, ...],
    source: str | None,
    submission: Submission,
    device: torch.device,
    team: Team,
    looking: bool = True,
) -> Job:
    """A run to go on with. What makes its model may not be set anew."""
    run = find(out, LANGUAGE_MODEL)
    recipe = changed(run.recipe, settings)
    for field in MODEL_FIELDS:
        if getattr(recipe, field) != getattr(run.recipe, field):
            raise LabError(f"{field} cannot be set anew: the model has it from its beginning")
    run = replace(run, recipe=recipe)
    team.check(recipe.batch_size, recipe.accumulation)
    if "data" not in run.facts:
        raise LabError(f"{out} was not trained here, so there is nothing to resume")
    tokens = run.tokens(submission)
    dataset = _dataset(read_texts(source or run.facts["data"]["source"]), tokens, recipe)
    _check_same(run.facts["data"], dataset)
    notes = look(submission, recipe, tokens.vocab_size, device) if looking and team.leads else []
    return Job(submission, run, dataset, tokens, device, team, tuple(notes))


def threads_of(out: Path) -> int | None:
    """How many threads a run computes with: with others, sums would round differently."""
    threads: int | None = find(out).facts.get("threads")
    return threads


def _settled(recipe: Recipe, device: torch.device, team: Team) -> Recipe:
    """The recipe with its arithmetic decided, for all processes alike."""
    narrow = team.any(training_precision(recipe.precision, device) == torch.bfloat16)
    onednn = team.any(linear_by_onednn(recipe.linear, device))
    return replace(
        recipe,
        precision="bfloat16" if narrow else "float32",
        linear="onednn" if onednn else "torch",
    )


def _dataset(texts: list[str], tokens: Tokens, recipe: Recipe) -> Dataset:
    """The dataset, long enough for the recipe."""
    if tokens.end is None:
        texts = ["\n\n".join(texts)]
    dataset = prepare(texts, tokens)
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
        log.rewind(job.run.log, training.done if resumed else -1)
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


def _introduce(training: Training, console: Console) -> None:
    job = training.job
    facts: dict[str, Any] = job.dataset.facts()
    console.print(
        f"{count(training.model):,} parameters, {facts['train_tokens']:,} tokens to learn from "
        f"({job.tokens.vocab_size:,} different) of {job.run.facts['data']['source']}, on "
        f"{in_words(job.device)}, in {job.recipe.precision}, linear layers by {job.recipe.linear}",
        markup=False,
    )
    console.print(code.in_words(code.facts_of(job.submission)), markup=False)
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
    if finished:
        console.print(f"the best validation loss is {training.best:.4f}", markup=False)
        console.print(f"next: lab sample {path}   or   lab report {path}", markup=False)
    else:
        console.print(
            f"stopped at iteration {training.done} of {job.recipe.iterations}; go on with "
            f"lab train --resume --out {path}",
            markup=False,
        )
