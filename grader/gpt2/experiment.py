"""One drawn case: a model of some size with drawn weights, and code that makes the same again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from grader.check import Counterexample
from grader.sandbox.client.module import Floats, Module
from grader.sandbox.client.worker import Values
from grader.submission import Submission


@dataclass(frozen=True)
class Regime:
    """How large weights and inputs are drawn. What one regime hides, another shows.

    With small weights a missing 1/√head_dim changes 2 % of the output; with large ones a wrong
    eps hardly anything; and a mask that is too weak shows only under huge scores.
    """

    name: str
    weights: float
    inputs: float


UNIT = Regime("unit", 0.5, 1.0)
SMALL = Regime("small", 0.02, 1.0)
LARGE = Regime("large", 1.0, 2.0)
HUGE = Regime("huge", 1.5, 3.0)
REGIMES = (UNIT, LARGE, SMALL)


@dataclass(frozen=True)
class Case:
    """What Hypothesis draws; `draw` seeds the numbers."""

    size: dict[str, int]
    batch: int
    time: int
    regime: Regime
    draw: int

    def rng(self) -> np.random.Generator:
        """The generator that makes weights first and then inputs."""
        return np.random.default_rng(self.draw)


def cases(
    sizes: tuple[dict[str, int], ...],
    *,
    times: tuple[int, int] = (1, 5),
    batches: tuple[int, int] = (1, 3),
    regimes: tuple[Regime, ...] = REGIMES,
) -> st.SearchStrategy[Case]:
    """Cases over these sizes; a time longer than a size's block_size is cut to it."""

    def build(size: dict[str, int], batch: int, time: int, regime: Regime, draw: int) -> Case:
        return Case(size, batch, min(time, size.get("block_size", time)), regime, draw)

    return st.builds(
        build,
        size=st.sampled_from(sizes),
        batch=st.integers(*batches),
        time=st.integers(*times),
        regime=st.sampled_from(regimes),
        draw=st.integers(0, 9999),
    )


class Experiment:
    """A case carried out: the model, its weights `theta`, an input `x`, and the code for it."""

    def __init__(self, module: Module, case: Case, submission: Submission) -> None:
        self.module = module
        self.case = case
        self.rng = case.rng()
        self.theta: Floats = module.random(self.rng, case.regime.weights)
        self._lines: list[str] = []
        self._imported = imported(submission, module.name)
        self.x: Values = self._draw_input()

    def _draw_input(self) -> Values:
        case = self.case
        if "vocab_size" in case.size:
            shape = (case.batch, case.time)
            self._lines.append(
                f"x = torch.from_numpy(rng.integers(0, {case.size['vocab_size']}, {shape}))"
            )
            return self.rng.integers(0, case.size["vocab_size"], shape)
        return self.normal("x", (case.batch, case.time, case.size["embed_dim"]))

    def take_every_token(self) -> None:
        """Let x be sequences of block_size tokens in which every token stands once or more."""
        tokens, time = self.case.size["vocab_size"], self.case.size["block_size"]
        shape = (-(-tokens // time), time)
        number = shape[0] * time
        self._lines.append(
            f"x = torch.from_numpy(rng.permutation({number}).reshape({shape}) % {tokens})"
        )
        self.x = self.rng.permutation(number).reshape(shape) % tokens

    def normal(self, name: str, shape: tuple[int, ...]) -> Floats:
        """A random tensor, called `name` in the code."""
        scale = self.case.regime.inputs
        single = ".float()" if self.module.told_single else ""
        drawn = f"{name} = torch.from_numpy(rng.normal(0.0, {scale}, {shape})){single}"
        self._lines.append(drawn)
        return self.rng.normal(0.0, scale, shape)

    def code(self, *lines: str, train: bool = False) -> str:
        """Code that makes the model, its weights and inputs, followed by these lines."""
        name = self.module.name
        arguments = ", ".join(f"{key}={value}" for key, value in self.case.size.items())
        return "\n".join(
            [
                "import numpy as np",
                "import torch",
                self._imported,
                "",
                *([] if self.module.told_single else ["torch.set_default_dtype(torch.float64)"]),
                f"model = {name}({arguments}).{'train' if train else 'eval'}()",
                f"rng = np.random.default_rng({self.case.draw})",
                "for p in model.parameters():",
                f"    values = torch.from_numpy(rng.normal(0.0, {self.case.regime.weights}, "
                "p.shape))",
                "    if p.requires_grad:",
                "        p.data.copy_(values)",
                *self._lines,
                *lines,
            ]
        )

    def counterexample(
        self, *lines: str, expected: object, found: object, train: bool = False
    ) -> Counterexample:
        """The case as code, with what it should show and what it shows."""
        return Counterexample(self.code(*lines, train=train), show(expected), show(found))


def imported(submission: Submission, name: str) -> str:
    """What makes a class of the brief of what the submission has."""
    found = (item.code() for item in submission.taken if item.name == name)
    return next(found, import_line(submission.main, name))


def import_line(main: str, name: str) -> str:
    """What imports a class from the submission's main file, whatever that is called."""
    stem = main.removesuffix(".py").replace("/", ".")
    if all(map(str.isidentifier, stem.split("."))):
        return f"from {stem} import {name}"
    return f"import importlib; {name} = importlib.import_module({stem!r}).{name}"


def show(value: object) -> str:
    """A value in a few lines: arrays rounded to four digits and cut."""
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=4, suppress_small=True, threshold=40)
    return str(value)


def worst(difference: Values) -> tuple[int, ...]:
    """Where the largest absolute value lies."""
    flat = int(np.nanargmax(np.abs(difference))) if np.isfinite(difference).any() else 0
    return tuple(int(i) for i in np.unravel_index(flat, difference.shape))
