"""An optimizer that `configure_optimizer` is asked for, and the steps that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader.check import Failure
from grader.exercises.training.client import RemoteToyModel, steps
from grader.exercises.training.common import imports
from grader.exercises.training.oracle import Adam, Floats, ToyModel, adamw, flat
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.function import call

NAME = "configure_optimizer"
# Of a trainee's parameters, those with two axes or more.
MATRICES = (True, False, True, False, True)


@dataclass(frozen=True)
class Setting:
    """How an optimizer is asked for; betas None is the default."""

    learning_rate: float
    weight_decay: float
    betas: tuple[float, float] | None = None

    @property
    def right(self) -> tuple[float, float]:
        """The betas that it has to have."""
        return self.betas or (0.9, 0.95)

    def make(self, evidence: Evidence, model: RemoteRef) -> RemoteRef:
        """The optimizer of a model."""
        given = {
            "model": model,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            **({} if self.betas is None else {"betas": self.betas}),
        }
        made = call(evidence.subject, NAME, given, keep=True)
        if made.value is None:
            raise Failure("expected an optimizer, found None", cause="not-implemented")
        if not made.flags_kept:
            raise Failure(f"{NAME} changes requires_grad", cause="requires-grad-not-kept")
        assert made.held is not None
        return made.held

    def run(
        self,
        evidence: Evidence,
        model: ToyModel,
        gradients: Sequence[Sequence[Floats]],
        rates: Sequence[float | None],
    ) -> list[list[Floats]]:
        """The trained parameters after each step with these gradients."""
        student = RemoteToyModel(evidence.subject, NAME, model.arrays).itself
        made = self.make(evidence, student)
        seen = steps(evidence.subject, NAME, student, made, gradients, rates, frozen=1)
        for values in seen:
            if any(a.shape != b.shape for a, b in zip(values, model.trained, strict=False)):
                raise Failure("the optimizer changes the shapes of parameters")
            if not np.array_equal(values[5], model.places):
                raise Failure(
                    "a parameter with requires_grad=False is changed", cause="frozen-trained"
                )
        return [values[:5] for values in seen]

    def code(self, evidence: Evidence, model: Sequence[str], *lines: str) -> str:
        """Python that makes the optimizer of a model, and goes on with these lines."""
        betas = "" if self.betas is None else f", betas={self.betas}"
        return "\n".join(
            [
                *imports(evidence, NAME),
                *model,
                f"optimizer = configure_optimizer(model, learning_rate={self.learning_rate}, "
                f"weight_decay={self.weight_decay}{betas})",
                *lines,
            ]
        )


def decays(weight_decay: float, model: ToyModel) -> Floats:
    """For each number, what it decays by."""
    of_each = zip(model.trained, MATRICES, strict=True)
    parts = [np.full(p.size, weight_decay * matrix) for p, matrix in of_each]
    return np.concatenate(parts)


def wrong_steps(
    setting: Setting, model: ToyModel, gradients: Sequence[Floats], rates: Sequence[float]
) -> dict[str, Floats]:
    """What comes of named bugs, without weight decay."""
    start = flat(model.trained)
    shipped_decay = decays(0.01, model)  # torch's own, where none is given
    fixed = [setting.learning_rate] * len(rates)
    shipped = [1e-3, *rates[1:]]
    none = np.zeros_like(start)
    found = {
        "learning-rate-ignored fixed": adamw(start, gradients, fixed, Adam(setting.right, none)),
        "learning-rate-ignored": adamw(start, gradients, shipped, Adam(setting.right, none)),
        "weight-decay-ignored": adamw(start, gradients, rates, Adam(setting.right, shipped_decay)),
        "decay-on-vectors": adamw(
            start, gradients, rates, Adam(setting.right, 0.01 - shipped_decay)
        ),
        "no-bias-correction": adamw(
            start, gradients, rates, Adam(setting.right, none, corrected=False)
        ),
        "no-adamw": start - np.cumsum([r * g for r, g in zip(rates, gradients, strict=True)], 0),
    }
    for eps in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3):
        found[f"adamw-eps-too-large {eps}"] = adamw(
            start, gradients, rates, Adam(setting.right, none, eps=eps)
        )
    for betas in ((0.9, 0.999), (0.9, 0.95), (0.9, 0.98), setting.right[::-1]):
        if betas != setting.right:
            name = "betas-swapped" if betas == setting.right[::-1] else "betas-ignored"
            found[f"{name} {betas}"] = adamw(start, gradients, rates, Adam(betas, none))
    return found
