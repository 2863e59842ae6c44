"""The loop of a run, and what is done beside the steps: measuring, telling, saving."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import checkpoint, leak, log
from lab.environment import Slowness, sleeps
from lab.errors import LabError
from lab.log import perplexity
from lab.progress import Shown
from lab.train import Training


def train(
    training: Training, entries: log.Log | None, bar: Shown, stopping: Callable[[], bool]
) -> bool:
    """Train to the end, or until asked to stop; says whether the end was reached.

    Raises LabError if the loss is no number any more: nothing would be learned from there.

    What a step brings (a measurement, a sample, a checkpoint) comes after it, the checkpoint
    last: so whoever goes on from there has nothing to do again.
    """
    recipe, team = training.job.recipe, training.job.team
    recorder = Recorder(training, entries, bar) if entries else None  # the team has one that leads
    if training.done == 0 and recorder:
        recorder.measure()
    stop = False
    while training.done < recipe.iterations and not stop:
        rate = training.learning_rate()
        loss = training.step()
        if not math.isfinite(loss):
            raise LabError(not_finite(training.done, loss, training.job.run.checkpoints))
        stop = team.any(stopping())
        last = stop or training.done == recipe.iterations
        if recorder:
            recorder.note(loss, rate)
            recorder.look()
        if last or _due(training.done, recipe.checkpoint_every):
            state = training.state()
            if recorder:
                recorder.save(state, last)
    return training.done == recipe.iterations


def not_finite(done: int, loss: float, checkpoints: Path) -> str:
    """What to say of a loss that is no number, and of what there is to go back to."""
    kept = checkpoint.everyone(checkpoints)
    whole = f"the last checkpoint, {kept[-1]}, is whole" if kept else "there is no checkpoint yet"
    return f"the loss of iteration {done} is {loss}: try a smaller learning_rate; {whole}"


def _due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


class Recorder:
    """What the leading process does beside the steps: it measures, notes, shows and saves."""

    def __init__(self, training: Training, entries: log.Log, bar: Shown) -> None:
        self._training = training
        self._log = entries
        self._bar = bar
        self._tokens = 0  # since the clock was last read
        self._since = time.perf_counter()
        self._slowness = Slowness()
        self._measured: list[str] = []
        self._allowed: float | None = None  # the least loss that is to be believed
        self._leak_told = False
        self._writes = training.job.submission.has("generation", "generate")

    def note(self, loss: float, rate: float) -> None:
        """Log and show an iteration."""
        training, recipe = self._training, self._training.job.recipe
        self._tokens += recipe.batch_size * recipe.accumulation * recipe.block_size
        if not _due(training.done, recipe.log_every) and training.done != recipe.iterations:
            return
        pace = self._tokens / max(time.perf_counter() - self._since, 1e-9)
        self._log.write(
            "step", training.done, loss=loss, learning_rate=rate, tokens_per_second=round(pace)
        )
        self._bar.advance(
            training.done,
            [f"loss {loss:.3f}", *self._measured, f"{pace:,.0f} tokens a second"],
        )
        if training.job.device.type == "cpu" and self._slowness.noticed(pace) and not sleeps():
            self._bar.say(
                "this has become slow: if another process is busy, stop with Ctrl-C and go on with "
                "--resume, whose threads will then sleep while they wait",
                "yellow",
            )
        self._tokens, self._since = 0, time.perf_counter()

    def look(self) -> None:
        """Measure and sample if it is time."""
        done, recipe = self._training.done, self._training.job.recipe
        last = done == recipe.iterations
        started = time.perf_counter()
        if _due(done, recipe.eval_every) or last:
            self.measure()
        if (_due(done, recipe.sample_every) or last) and self._writes:
            self._sample()
        self._since += time.perf_counter() - started  # the pace is that of training

    def measure(self) -> None:
        """The loss on both parts of the text; keep the weights if they are the best yet."""
        training = self._training
        losses = training.measure()
        self._log.write("eval", training.done, **losses)
        self._measured = [f"validation {losses['validation_loss']:.3f}"]
        self._bar.say(
            f"{training.done:>6}  train loss {losses['train_loss']:.4f}"
            f"  validation loss {losses['validation_loss']:.4f}"
            f"  (perplexity {perplexity(losses['validation_loss']):,.2f})"
        )
        self._tell_leak(losses["validation_loss"])
        born = training.done == 0 and training.job.origin is None
        if losses["validation_loss"] < training.best and not born:
            facts = {"step": str(training.done), "loss": repr(losses["validation_loss"])}
            try:
                checkpoint.write_weights(training.job.run.best, training.model, facts)
                training.best = losses["validation_loss"]
            except checkpoint.NotWrittenError as error:
                self._bar.say(f"the best weights could not be written: {error}", "red")

    def _tell_leak(self, loss: float) -> None:
        """Say it once if the model does better than the text allows."""
        if self._leak_told or loss > leak.SUSPICIOUS:
            return
        if self._allowed is None:
            self._allowed = leak.allowed(self._training.job.dataset, self._training.job.tokens)
        if loss < self._allowed:
            self._leak_told = True
            self._bar.say(
                f"a validation loss of {loss:.3f} is less than this text should allow (about "
                f"{self._allowed:.2f}, by how far it can be compressed): most likely the model "
                "sees what it is to predict. Is a later token visible, or are the targets the "
                "inputs? Look at what it writes, and at `grader grade`",
                "yellow",
            )

    def _sample(self) -> None:
        try:
            text = self._training.sample()
        except NotImplementedError:
            self._writes = False
            self._bar.say("no samples: generation.py is not written yet", "yellow")
            return
        self._log.write("sample", self._training.done, text=text)
        self._bar.say(text.strip(), "dim")

    def save(self, state: dict[str, Any], last: bool) -> None:
        """Write a checkpoint. If that fails, work goes on and the next one may succeed."""
        training = self._training
        started = time.perf_counter()
        try:
            checkpoint.save(training.job.run.checkpoints, training.done, training.model, state)
        except checkpoint.NotWrittenError as error:
            kept = checkpoint.everyone(training.job.run.checkpoints)
            words = (
                f"the checkpoint of iteration {training.done} could not be written: {error}; "
                + (f"the last whole one is {kept[-1]}" if kept else "there is none yet")
            )
            if last:
                raise LabError(words) from error
            self._bar.say(words, "red")
        self._since += time.perf_counter() - started
