"""Training: the loop around the submission's functions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lab import checkpoint, log, model, muon
from lab.data.dataset import Dataset
from lab.data.tokens import Tokens
from lab.device import training_precision
from lab.errors import LabError
from lab.parallel import Team
from lab.presets import Recipe
from lab.progress import Shown
from lab.run_folder import Run
from lab.samples import written
from lab.submission import Submission

_MOST_AT_ONCE = 2**27  # tokens of a text that go to a GPU for measuring: 1 GiB


@dataclass(frozen=True)
class Job:
    """What is trained, on what, with what, where."""

    submission: Submission
    run: Run
    dataset: Dataset
    tokens: Tokens
    device: torch.device
    team: Team

    @property
    def recipe(self) -> Recipe:
        """The numbers."""
        return self.run.recipe


class Training:
    """A model, its optimizer and its chance, step by step."""

    def __init__(self, job: Job) -> None:
        recipe = job.recipe
        self.job = job
        self._get_batch = job.submission.get("training", "get_batch")
        self._train_step = job.submission.get("training", "train_step")
        self._learning_rate_at = job.submission.get("training", "learning_rate_at")
        self._estimate_loss = job.submission.get("training", "estimate_loss")

        torch.manual_seed(recipe.seed)
        self.model = model.build(job.submission, recipe, job.tokens.vocab_size).to(job.device)
        self.optimizer = self._optimizer()
        if recipe.fused:
            model.fuse(self.optimizer)
        precision = training_precision(recipe.precision, job.device)
        self.dressed = model.dressed(self.model, recipe, job.device, precision)
        self._joined = job.team.join(self.dressed)
        # Batches are the same in every process; dropout is not.
        self._batches = torch.Generator().manual_seed(recipe.seed)
        torch.manual_seed(recipe.seed + job.team.rank)

        self.done = 0  # iterations
        self.best = float("inf")  # validation loss
        self._parts = {
            "train": job.dataset.train[:_MOST_AT_ONCE],
            "validation": job.dataset.validation[:_MOST_AT_ONCE],
        }
        if job.device.type != "cpu" and job.team.leads:
            self._parts = {name: part.to(job.device) for name, part in self._parts.items()}

    def _optimizer(self) -> torch.optim.Optimizer:
        """The submission's, or the lab's Muon."""
        job, recipe = self.job, self.job.recipe
        how: dict[str, Any] = {
            "learning_rate": recipe.learning_rate,
            "weight_decay": recipe.weight_decay,
            "betas": recipe.betas(),
        }
        if recipe.optimizer == "muon":
            return muon.configure(self.model, vocab_size=job.tokens.vocab_size, **how)
        configure_optimizer = job.submission.get("training", "configure_optimizer")
        optimizer: torch.optim.Optimizer = configure_optimizer(self.model, **how)
        return optimizer

    def learning_rate(self) -> float:
        """That of the iteration to come."""
        recipe = self.job.recipe
        rate: float = self._learning_rate_at(
            self.done,
            max_learning_rate=recipe.learning_rate,
            min_learning_rate=recipe.min_learning_rate,
            warmup_steps=recipe.warmup_iterations,
            total_steps=recipe.decay_ends(),
        )
        return rate

    def step(self) -> float:
        """One iteration; returns its loss before the step."""
        recipe, device = self.job.recipe, self.job.device
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        batches = [
            self._get_batch(
                self.job.dataset.train,
                recipe.batch_size,
                recipe.block_size,
                generator=self._batches,
            )
            for _ in range(recipe.accumulation)
        ]
        loss: float = self._train_step(
            self._joined.train(),
            self.optimizer,
            [(x.to(device), y.to(device)) for x, y in self.job.team.share(batches)],
            max_grad_norm=recipe.max_grad_norm or None,
        )
        self.done += 1
        return self.job.team.mean(loss)

    def measure(self) -> dict[str, float]:
        """The loss on both parts of the text."""
        recipe = self.job.recipe
        return {
            f"{name}_loss": self._estimate_loss(
                self.dressed,
                part,
                batch_size=recipe.batch_size,
                block_size=recipe.block_size,
                num_batches=recipe.eval_batches,
                seed=recipe.seed,
            )
            for name, part in self._parts.items()
        }

    def sample(self) -> str:
        """What it writes by now."""
        job = self.job
        seed = job.recipe.seed + self.done
        return written(job.submission, self.dressed, job.tokens, job.recipe, seed)

    def state(self) -> dict[str, Any]:
        """All but the weights that it takes to go on. A task for the whole team."""
        chance = {"cpu": self.job.team.gathered(torch.get_rng_state())}
        if self.job.device.type == "cuda":
            chance["cuda"] = self.job.team.gathered(torch.cuda.get_rng_state(self.job.device))
        return {
            "done": self.done,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "batches": self._batches.get_state(),
            "chance": chance,
        }

    def restore(self) -> bool:
        """Go on from the newest checkpoint of the run; says whether there is one."""
        state = checkpoint.load_newest(self.job.run.checkpoints, self.model)
        if state is None:
            return False
        self.done, self.best = state["done"], state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self._batches.set_state(state["batches"])
        rank, chance = self.job.team.rank, state["chance"]
        if len(chance["cpu"]) != self.job.team.size:
            raise LabError(
                f"this run had {len(chance['cpu'])} processes; go on with as many (now "
                f"{self.job.team.size})"
            )
        torch.set_rng_state(chance["cpu"][rank])
        if self.job.device.type == "cuda" and "cuda" in chance:
            torch.cuda.set_rng_state(chance["cuda"][rank], self.job.device)
        return True


def train(
    training: Training, entries: log.Log | None, bar: Shown, stopping: Callable[[], bool]
) -> bool:
    """Train to the end, or until asked to stop; says whether the end was reached.

    Raises LabError if the loss is no number any more: nothing would be learned from there.

    What a step brings (a measurement, a sample, a checkpoint) comes after it, the checkpoint
    last: so whoever goes on from there has nothing to do again.
    """
    recipe, team = training.job.recipe, training.job.team
    desk = Desk(training, entries, bar) if entries else None  # the team has one that leads
    if training.done == 0 and desk:
        desk.measure()
    stop = False
    while training.done < recipe.iterations and not stop:
        rate = training.learning_rate()
        loss = training.step()
        if not math.isfinite(loss):
            raise LabError(
                f"the loss of iteration {training.done} is {loss}: try a smaller learning_rate; "
                "the checkpoints before it are whole"
            )
        stop = team.any(stopping())
        last = stop or training.done == recipe.iterations
        if desk:
            desk.note(loss, rate)
            desk.look()
        if last or _due(training.done, recipe.checkpoint_every):
            state = training.state()
            if desk:
                desk.save(state, last)
    return training.done == recipe.iterations


def _due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


class Desk:
    """What the leading process does beside the steps: it measures, notes, shows and saves."""

    def __init__(self, training: Training, entries: log.Log, bar: Shown) -> None:
        self._training = training
        self._log = entries
        self._bar = bar
        self._tokens = 0  # since the clock was last read
        self._since = time.perf_counter()
        self._measured = ""
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
            training.done, f"loss {loss:.3f}{self._measured}, {pace:,.0f} tokens a second"
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
        self._measured = f", validation {losses['validation_loss']:.3f}"
        self._bar.say(
            f"{training.done:>6}  train loss {losses['train_loss']:.4f}"
            f"  validation loss {losses['validation_loss']:.4f}"
        )
        if losses["validation_loss"] < training.best and training.done:
            facts = {"step": str(training.done), "loss": repr(losses["validation_loss"])}
            try:
                checkpoint.write_weights(training.job.run.best, training.model, facts)
                training.best = losses["validation_loss"]
            except checkpoint.NotWrittenError as error:
                self._bar.say(f"the best weights could not be written: {error}", "red")

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
