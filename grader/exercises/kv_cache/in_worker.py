"""A model that goes on from caches: called piece by piece, with the work of each step counted.

A cache is whatever the submission makes of it; it lives here, and the parent knows it by a label.
Counts and seconds are testimony: the parent takes them for lowering a score, never else.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from grader.sandbox.worker import tensors
from grader.sandbox.worker.models import Model
from grader.sandbox.worker.work import counted


class NotAPair(Exception):
    """A forward gave something other than (logits, cache)."""


class FirstOfPair(nn.Module):
    """A cached model as one that gives the logits of whole sequences alone."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.caches: dict[str, Any] = {}  # what it has left, by labels

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


def alone(built: nn.Module) -> FirstOfPair:
    """A cached model as one of which whole texts can be asked, too."""
    if not isinstance(built, nn.Module):
        raise TypeError(f"expected an nn.Module, found {type(built).__name__}")
    return FirstOfPair(built)


def steps(
    model: Model,
    pieces: list[tuple[torch.Tensor, str | None, str | None]],
    theta: torch.Tensor | None,
    train: bool,
    seed: int,
    count: bool,
    named: bool,
) -> tuple[list[Any], list[Any]]:
    """The logits of pieces of text, each of which goes on from a cache and leaves one.

    pieces: with the labels of these two caches; theta: values of all parameters. With `count`, also
    the work that each one took. With `named`, the cache is given by name.
    """
    if theta is not None:
        model.set(theta.numpy())
    model.use("", train)
    assert isinstance(model.module, FirstOfPair)
    inner, caches = model.module.inner, model.module.caches
    torch.default_generator.manual_seed(seed)
    outputs, work = [], []
    with torch.set_grad_enabled(train):
        for idx, source, kept in pieces:
            cache = None if source is None else caches[source]
            step = partial(inner, idx, cache=cache) if named else partial(inner, idx, cache)
            value, *spent = counted(step) if count else (step(), 0, 0.0, 0)
            logits, grown = pair(value)
            if kept is not None:
                caches[kept] = grown
            outputs.append(logits)
            work.append(spent)
    tensors.expect_plain(outputs)
    return outputs, work
