"""What the calls on which a class crashes have in common."""

from __future__ import annotations

from itertools import count

import numpy as np

from grader.checks.api import NotRun
from grader.checks.evidence import Evidence
from grader.checks.gpt2 import sizes
from grader.checks.models import Size
from grader.remote import CandidateError, WorkerLost

_HEADS = (1, 2, 3, 4, 6)
_EMBED_DIM = 12  # divisible by every number of heads that is tried
_BLOCK_SIZE = 6
_fresh = count(1000)  # a seed of its own makes a model of its own, that was never called


def why(evidence: Evidence, part: str, message: str) -> str:
    """The slug for a class that crashes in some calls; "crashes" if nothing tells why."""
    if "in-place operation" in message:
        return "mutates-input"
    size = sizes.BY_CLASS[part][0]
    longest = size.get("block_size", 5)
    alone = all(_runs(evidence, part, size, (time,)) for time in (2, longest))
    if alone and not all(
        _runs(evidence, part, size, times) for times in ((longest, 2), (2, longest))
    ):
        return "state-kept-between-calls"
    if part == "MLP" or all(
        _runs(evidence, part, each, (time,))
        for each in sizes.BY_CLASS[part]
        for time in (1, 2, each["block_size"])
    ):
        return "crashes"
    return _by_size(evidence, part)


def overflows(evidence: Evidence, part: str) -> bool:
    """Whether a class, some of whose outputs are not finite, is finite for small numbers."""
    sizes_of_part = sizes.BY_CLASS[part]
    return all(_runs(evidence, part, size, (size.get("block_size", 5),)) for size in sizes_of_part)


def _by_size(evidence: Evidence, part: str) -> str:
    """Told from which numbers of heads and which lengths work."""
    long, short, single = (
        [_runs(evidence, part, _size(part, heads), (time,)) for heads in _HEADS]
        for time in (_BLOCK_SIZE, _BLOCK_SIZE - 2, 1)
    )
    if any(long) and not any(short):
        return "block-size-mask-fixed"
    if part == "GPT2" and any(single) and not any(long):
        return "position-table-too-small"
    # A single head hides many a wrong shape, and says nothing of what else works.
    return "hard-coded-heads" if any(long[1:]) and any(short[1:]) else "crashes"


def _size(part: str, heads: int) -> Size:
    """A size with this number of heads, in the order of the signature."""
    size: Size = {"embed_dim": _EMBED_DIM, "num_heads": heads}
    if part == "GPT2":
        size = {"vocab_size": 7, **size, "num_layers": 1}
    return {**size, "block_size": _BLOCK_SIZE}


def _runs(evidence: Evidence, part: str, size: Size, times: tuple[int, ...]) -> bool:
    """Whether a new model takes inputs of these lengths, one after another."""
    rng = np.random.default_rng(0)
    try:
        module = evidence.models.module(part, size, seed=next(_fresh))
        for time in times:
            x = rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))
            module.call(np.zeros((2, time), dtype=np.int64) if part == "GPT2" else x)
    except (CandidateError, WorkerLost, NotRun):
        return False
    return True
