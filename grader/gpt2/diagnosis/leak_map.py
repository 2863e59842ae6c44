"""How much the output at each position moves when the input at each position changes."""

from __future__ import annotations

import numpy as np

from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence

# Causes whose trace in the map says more than words.
SHOWN = frozenset(
    (
        *("mask-none", "mask-strict", "mask-anti", "mask-off-by-one", "mask-after-softmax"),
        *("mask-too-weak", "mask-wrong-sign", "softmax-dim", "heads-mixed-view", "merge-wrong"),
        *("leak-via-sequence-mean", "position-depends-on-t"),
    )
)
_MOST = 6  # positions


def leak_map(evidence: Evidence, part: str) -> tuple[tuple[float, ...], ...]:
    """(T, T): row t, column s is the largest change of output t when input s is replaced.

    Raises CandidateError and WorkerLost.
    """
    size = sizes.BY_CLASS[part][0]
    module = evidence.models.module(part, size)
    rng = np.random.default_rng(evidence.seed)
    theta = module.random(rng, 0.5)
    length = min(_MOST, size.get("block_size", _MOST))
    if "vocab_size" in size:
        x = rng.integers(0, size["vocab_size"], (1, length))
        fresh = (x + 1) % size["vocab_size"]
    else:
        x, fresh = rng.normal(0.0, 1.0, (2, 1, length, size["embed_dim"]))
    inputs = [x.copy() for _ in range(length)]
    for s, changed in enumerate(inputs):
        changed[:, s] = fresh[:, s]
    before, *after = module.outputs([x, *inputs], theta)
    moved = np.stack([np.abs(output - before)[0].max(-1) for output in after], axis=1)
    return tuple(tuple(float(f"{value:.3g}") for value in row) for row in moved)
