"""What a cached model does in place of reading pieces rightly, as far as it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from grader.exercises.kv_cache.client import CachedModel
from grader.exercises.kv_cache.common import chain, model, same
from grader.exercises.kv_cache.oracle import SLIPS, Form, read
from grader.exercises.kv_cache.whole import MAX_SEARCH_SIZE, layout
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.whole import WholeLayout
from grader.gpt2.models import Size
from grader.gpt2.oracle import Floats, Integers
from grader.sandbox.client import CandidateError

_SIZE: Size = {**MAX_SEARCH_SIZE[0], "num_layers": 3}
# One token short of block_size: what is off by one has room.
_SCRIPTS = ((1, 1, 1, 1, 1), (3, 1, 1), (2, 3), (1, 3, 1))


def why(evidence: Evidence) -> tuple[str, bool]:
    """The slug of the slip with which the oracle gives just what the submission gives, and True;
    or one that is likely; or nothing.
    """
    made = model(evidence, _SIZE)
    rng = np.random.default_rng(evidence.seed)
    theta = made.random(rng, 0.8)
    idx = rng.integers(0, _SIZE["vocab_size"], (2, 5))
    found: WholeLayout | None = None
    with suppress(CandidateError, LayoutNotFound):
        found = layout(evidence, _SIZE)
        # Without key biases, which matter where keys of several blocks are mixed.
        theta[np.setdiff1d(np.arange(theta.size), found.places)] = 0.0
    try:
        before = made.call(idx, theta)
        seen = dict(_answers(made, theta, idx))
        if not same(made.call(idx, theta), before):
            return "cache-in-module", False
    except CandidateError:
        return "", False
    gelu = None if found is None else found.gelu
    if found is None or gelu is None or not seen:
        return "", False
    weights = found.weights(theta)

    def fits(form: Form) -> bool:
        with suppress(IndexError, ValueError), np.errstate(all="ignore"):
            return all(
                same(logits, read(_cut(idx, cuts), weights, gelu, form))
                for cuts, logits in seen.items()
            )
        return False

    for cause, forms in SLIPS.items():
        if any(fits(form) for form in forms):
            return cause, True
    return "", False


def _answers(
    made: CachedModel, theta: Floats, idx: Integers
) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """What comes of the text in pieces, for each way of cutting it that the submission takes."""
    for cuts in _SCRIPTS:
        with suppress(CandidateError):
            yield cuts, np.concatenate(made.steps(chain(idx, cuts), theta), axis=1)


def _cut(idx: Integers, cuts: tuple[int, ...]) -> list[Integers]:
    return np.split(idx, np.cumsum(cuts)[:-1], axis=1)
