"""Weights and inputs on which a deviation has to compute what a submission computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import Floats, difference
from grader.gpt2.models import Size
from grader.sandbox.client import Module

Weights = TypeVar("Weights")
Compute = Callable[[Floats, Weights], Floats]
Read = Callable[[Floats], Weights]

_TOLERANCE = 1e-4  # float32 inside a submission included; other forms are off by 1e-3 and more
_SCALES = ((0.5, 1.0), (1.0, 2.0), (0.2, 1.0))  # of weights and of inputs


@dataclass(frozen=True)
class Draw:
    """Parameters, an input, and what the submission made of them."""

    theta: Floats
    x: Floats
    y: Floats


def draws(evidence: Evidence, name: str, size: Size) -> list[Draw]:
    """A draw in each of several regimes, with all biases at zero."""
    module = evidence.models.weighed(name, size)
    return [Draw(theta, x, module.call(x, theta)) for theta, x in _drawn(evidence, module, size)]


def _drawn(evidence: Evidence, module: Module, size: Size) -> Iterator[tuple[Floats, Floats]]:
    rng = np.random.default_rng(evidence.seed)
    for weights, inputs in _SCALES:
        theta = module.random(rng, weights)
        for parameter in module.parameters:
            if _is_bias(parameter.shape, size["embed_dim"]):
                theta[parameter.indices] = 0.0
        yield (
            theta,
            rng.normal(0.0, inputs, (2, min(4, size.get("block_size", 4)), size["embed_dim"])),
        )


def _is_bias(shape: tuple[int, ...], channels: int) -> bool:
    """Whether a parameter is no weight: one for each head and its channels, say, as (H, D)."""
    return len(shape) == 1 or channels not in shape or math.prod(shape) == channels


def explains(known: Sequence[Draw], compute: Compute[Weights], weights: Read[Weights]) -> bool:
    """Whether `compute`, with the weights read so, gives what the submission gave, everywhere."""
    return all(
        difference(compute(draw.x, weights(draw.theta)), draw.y) < _TOLERANCE for draw in known
    )


def raw_draws(evidence: Evidence, name: str, size: Size) -> list[Draw]:
    """The same draws with outputs that may be NaN."""
    module = evidence.models.weighed(name, size)
    return [
        Draw(theta, x, module.outputs([x], theta, any_values=True)[0])
        for theta, x in _drawn(evidence, module, size)
    ]


def fits_where_finite(
    known: Sequence[Draw], compute: Compute[Weights], weights: Read[Weights]
) -> bool:
    """Whether `compute` gives NaN where the submission gave it, and the same numbers elsewhere.

    Where all is NaN there is nothing to compare.
    """
    with np.errstate(invalid="ignore"):
        for draw in known:
            finite = np.isfinite(draw.y)
            computed = compute(draw.x, weights(draw.theta))
            if not finite.any() or not (np.isfinite(computed) == finite).all():
                return False
            if not difference(computed[finite], draw.y[finite]) < _TOLERANCE:
                return False
    return True
