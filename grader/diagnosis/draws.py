"""Weights and inputs on which a deviation has to compute what a submission computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from grader.checks.evidence import Evidence
from grader.checks.models import Size
from grader.oracle.layouts.box import Floats, difference

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
    rng = np.random.default_rng(evidence.seed)
    found = []
    for weights, inputs in _SCALES:
        theta = module.random(rng, weights)
        for parameter in module.parameters:
            if len(parameter.shape) == 1:
                theta[parameter.indices] = 0.0
        x = rng.normal(0.0, inputs, (2, min(4, size.get("block_size", 4)), size["embed_dim"]))
        found.append(Draw(theta, x, module.call(x, theta)))
    return found


def explains(known: Sequence[Draw], compute: Compute[Weights], weights: Read[Weights]) -> bool:
    """Whether `compute`, with the weights read so, gives what the submission gave, everywhere."""
    return all(
        difference(compute(draw.x, weights(draw.theta)), draw.y) < _TOLERANCE for draw in known
    )
