"""A model in training: the submission's functions, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lab import checkpoint, model
from lab.bridge import logits_of
from lab.checkpoint import put_weights
from lab.data.dataset import Dataset
from lab.data.tokens import Tokens
from lab.device import training_precision
from lab.errors import LabError
from lab.freezing import freeze
from lab.optimization import learning_rate_of, optimizer_of
from lab.origin import Origin
from lab.parallel import Team
from lab.presets import Recipe
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
    notes: tuple[str, ...] = ()  # what there is to say before it begins
    origin: Origin | None = None  # what its weights are at the beginning, if not of chance
    before: Run | None = None  # what it was, if it is gone on with

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
        self._learning_rate_of = learning_rate_of(recipe, job.submission)
        self._estimate_loss = job.submission.get("training", "estimate_loss")

        torch.manual_seed(recipe.seed)
        self.model = model.build(job.submission, recipe, job.tokens.vocab_size).to(job.device)
        if job.origin is not None:
            put_weights(self.model, job.origin.weights, str(job.origin.place))
        freeze(self.model, recipe, job.tokens.vocab_size)
        self.optimizer = optimizer_of(self.model, recipe, job.submission, job.tokens.vocab_size)
        precision = training_precision(recipe.precision, job.device)
        self._logits = logits_of(self.model)
        self.dressed = model.dressed(self._logits, recipe, job.device, precision)
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

    def learning_rate(self) -> float:
        """That of the iteration to come."""
        return self._learning_rate_of(self.done)

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
        # One short text: narrower products save nothing, and have to be made ready for each length.
        return written(job.submission, self.model, self._logits, job.tokens, job.recipe, seed)

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
