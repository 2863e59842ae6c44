"""An optimizer that `configure_optimizer` is asked for, and the steps that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.training.common import imports, model_code
from grader.oracle.training import Floats, Trainee
from grader.remote.function import call
from grader.remote.training import Student

NAME = "configure_optimizer"


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

    def run(
        self,
        evidence: Evidence,
        model: Trainee,
        gradients: Sequence[Sequence[Floats]],
        rates: Sequence[float | None],
    ) -> list[list[Floats]]:
        """The trained parameters after each step with these gradients."""
        student = Student(evidence.subject, NAME, model.arrays)
        given = {
            "model": student.itself,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            **({} if self.betas is None else {"betas": self.betas}),
        }
        made = call(evidence.subject, NAME, given, keep=True)
        if made.value is None:
            raise Failure("expected an optimizer, found None", cause="not-implemented")
        assert made.held is not None
        seen = student.steps(made.held, gradients, rates)
        for values in seen:
            if any(a.shape != b.shape for a, b in zip(values, model.trained, strict=False)):
                raise Failure("the optimizer changes the shapes of parameters")
            if not np.array_equal(values[5], model.places):
                raise Failure(
                    "a parameter with requires_grad=False is changed", cause="frozen-trained"
                )
        return [values[:5] for values in seen]

    def code(self, evidence: Evidence, draw: int, *lines: str) -> str:
        """Python that makes the optimizer, and goes on with these lines."""
        betas = "" if self.betas is None else f", betas={self.betas}"
        return "\n".join(
            [
                *imports(evidence, NAME),
                *model_code(draw),
                f"optimizer = configure_optimizer(model, learning_rate={self.learning_rate}, "
                f"weight_decay={self.weight_decay}{betas})",
                *lines,
            ]
        )
