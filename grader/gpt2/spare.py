"""Parameters that nothing uses: a layer left over, a pattern that copies are made of.

Told from what they do, not from their names: whatever their values are, the output is the same.
They are no part of what is computed, so no layout places them. Nothing rests on that being right:
the submission must equal the oracle whatever values they have.
"""

from __future__ import annotations

import numpy as np

from grader.gpt2.models import Size
from grader.sandbox.client import Module
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values


def find_spare(module: Module, size: Size, rng: np.random.Generator) -> frozenset[str]:
    """Names of the trained parameters that the output does not feel, for short and long inputs.

    Gradients say which it may be; that it does not move when they do decides. A weight that is
    cut off from its gradient is in use.
    """
    longest = size.get("block_size", 4)
    theta, x = module.random(rng, 0.5), _input(size, longest, rng)
    output = module.call(x, theta)
    _, gradients = module.gradient(x, theta, rng.normal(0.0, 1.0, output.shape))
    still = [
        parameter
        for parameter, gradient in zip(module.parameters, gradients, strict=False)
        if parameter.trainable and (gradient is None or not gradient.any())
    ]
    cases = [
        (module.random(rng, scale), _input(size, time, rng))
        for scale, time in ((0.5, longest), (1.0, 1), (0.2, max(1, longest - 1)))
    ]
    if all(_unfelt(module, [p.indices for p in still], *case, rng) for case in cases):
        return frozenset(parameter.name for parameter in still)
    return frozenset(
        p.name for p in still if all(_unfelt(module, [p.indices], *case, rng) for case in cases)
    )


def _input(size: Size, time: int, rng: np.random.Generator) -> Values:
    if "vocab_size" in size:
        return rng.integers(0, size["vocab_size"], (2, time))
    return rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))


def _unfelt(
    module: Module, moved: list[Values], theta: Floats, x: Values, rng: np.random.Generator
) -> bool:
    """Whether the output is the same when these elements have other values."""
    other = theta.copy()
    for indices in moved:
        other[indices] = rng.normal(0.0, 1.0, indices.shape)
    before, after = module.at_points(x, np.array([theta, other]))
    return bool(np.array_equal(before, after))
