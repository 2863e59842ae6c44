"""Which deviation from GPT-2's block or model a TransformerBlock or a GPT2 is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import BlockLayout, LayoutNotFound, ModelLayout
from grader.gpt2.models import Size


def block_causes(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of the deviation under which a TransformerBlock was placed; or none."""
    return _at_every_size(evidence.layouts.block, sizes.BLOCK)


def model_causes(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of the deviation under which a GPT2 was placed; or none."""
    return _at_every_size(evidence.layouts.model, sizes.MODEL)


def _at_every_size(
    place: Callable[[Size], BlockLayout | ModelLayout], every: tuple[Size, ...]
) -> tuple[str, ...]:
    """Causes that are found wherever any is found; else those at the size with most layers."""
    found = []
    for size in every:
        try:
            found.append(place(size).causes)
        except LayoutNotFound:
            continue
    shared = [c for c in found[0] if all(c in other for other in found)] if found else []
    return tuple(shared) or next(filter(None, reversed(found)), ())


def model_properties(evidence: Evidence) -> str:
    """The slug that a GPT2's behaviour points to, when nothing computes what it computes."""
    size = sizes.MODEL[0]
    module = evidence.models.module("GPT2", size)
    rng = np.random.default_rng(evidence.seed)
    theta = module.random(rng, 0.5)
    idx = rng.integers(0, size["vocab_size"], (1, size["block_size"]))
    same = np.full_like(idx, idx[0, 0])
    long, short, alike = module.outputs([idx, idx[:, :-2], same], theta)
    if not np.allclose(long[:, :-2], short):
        return "position-depends-on-t"
    tables = [p for p in module.parameters if size["block_size"] in p.shape and p.trainable]
    if not tables and not np.allclose(alike[:, 0], alike[:, -1]):
        return "position-not-trainable"
    return ""
