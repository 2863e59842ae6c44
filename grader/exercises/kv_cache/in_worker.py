"""A model that goes on from caches: called piece by piece, with the work of each step counted.

A cache is whatever the submission makes of it; it lives here, and the parent knows it by a label.
Counts and seconds are testimony: the parent takes them for lowering a score, never else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import tensors
from grader.sandbox.worker.models import Model, WeighedModel
from grader.sandbox.worker.shared import Questions, Shared
from grader.sandbox.worker.work import counted


class NotAPair(Exception):
    """A forward gave something other than (logits, cache)."""


class FirstOfPair(nn.Module):
    """A cached model as one that gives the logits of whole sequences alone."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, idx: torch.Tensor) -> Any:
        """The logits that the model gives without a cache."""
        return pair(self.inner(idx))[0]


def pair(value: Any) -> tuple[Any, Any]:
    """What a forward gave, if it is two things. Raises NotAPair."""
    if isinstance(value, tuple | list) and len(value) == 2:
        return value[0], value[1]
    found = "None" if value is None else f"a {type(value).__name__}"
    if isinstance(value, tuple | list):
        found = f"{found} of {len(value)}"
    raise NotAPair(f"expected a tuple (logits, cache), found {found}")


class Cached:
    """Answers what is asked of cached models, among the models and objects of a worker.

    describe: registers a model under its number, and says what it is.
    """

    def __init__(
        self,
        models: dict[int, Model],
        objects: dict[str, Any],
        describe: Callable[[int, Model], wire.Message],
    ) -> None:
        self._models = models
        self._objects = objects
        self._describe = describe
        self._caches: dict[tuple[int, str], Any] = {}
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "adopt_cached": self.adopt_cached,
            "steps": self.steps,
        }

    def adopt_cached(self, arrays: tuple[wire.Array, ...], held: str, model: int) -> wire.Message:
        """Make a held module one of the models: one that gives the logits of whole texts.

        With an array, which is a text, its weights are those that it computes from parameters.
        """
        built = self._objects[held]
        if not isinstance(built, nn.Module):
            raise TypeError(f"expected an nn.Module, found {type(built).__name__}")
        plain = Model(FirstOfPair(built), torch.get_default_dtype())
        weighed = WeighedModel(plain, tensors.decode(arrays[0])) if arrays else plain
        return self._describe(model, weighed)

    def steps(
        self,
        arrays: tuple[wire.Array, ...],
        model: int,
        caches: list[list[str | None]],
        theta: bool,
        train: bool,
        seed: int,
        count: bool,
        named: bool,
    ) -> wire.Message:
        """The logits of pieces of text, each of which goes on from a cache and leaves one.

        caches: labels [from, to] of each piece. Arrays: the values of all parameters (with
        `theta`), then the pieces. With `count`, also the work that each one took. With `named`,
        the cache is given by name.
        """
        target = self._models[model]
        if theta:
            target.set(tensors.decode(arrays[0]).numpy())
        target.use("", train)
        inner = target.module.get_submodule("inner")
        torch.default_generator.manual_seed(seed)
        outputs, work = [], []
        with torch.set_grad_enabled(train):
            for array, (source, kept) in zip(arrays[theta:], caches, strict=True):
                cache = None if source is None else self._caches[model, source]
                idx = tensors.decode(array)
                step = partial(inner, idx, cache=cache) if named else partial(inner, idx, cache)
                value, *spent = counted(step) if count else (step(), 0, 0.0, 0)
                logits, grown = pair(value)
                if kept is not None:
                    self._caches[model, kept] = grown
                outputs.append(logits)
                work.append(spent)
        problem = tensors.unsendable(outputs)
        if problem is not None:
            return wire.Message({"unsendable": problem})
        return wire.Message({"work": work}, tuple(map(tensors.encode, outputs)))


def questions(shared: Shared) -> Questions:
    """What is asked of a worker for this exercise alone."""
    return Cached(shared.models, shared.objects, shared.describe).questions
