"""What the calls on which a class crashes have in common."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import numpy as np

from grader.check import NotRun
from grader.exercises.gpt2 import arguments, common
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import Size
from grader.results import CheckResult
from grader.sandbox.client import CandidateError, WorkerLost

_HEADS = (1, 2, 3, 4, 6)
_EMBED_DIM = 12  # divisible by every number of heads that is tried
# No number of heads: what takes one for the other works by no accident.
_BLOCK_SIZE, _SHORT = 7, 5
_fresh = count(1000)  # a seed of its own makes a model of its own, that was never called
# Exceptions that may come from a size, and do not say so.
_OF_SIZES = frozenset(
    (
        *("crashes", "sizes-differ", "index-out-of-range", "view-wrong-size", "matmul-shapes"),
        *("own-error", "unpacking", "wrong-kind-of-value", "float-for-int"),
    )
)


def why(evidence: Evidence, part: str, result: CheckResult) -> tuple[str, str]:
    """The slug for a class that crashes in some calls, and what was found beyond the exception."""
    swapped = arguments.swapped(evidence.subject.submission.files, part)
    if swapped:
        return "wrong-signature", swapped
    if "in-place operation" in result.message:
        return "mutates-input", ""
    if "backward through the graph a second time" in result.message:
        return "state-kept-between-calls", ""  # of a call before, whose graph is gone
    if result.cause not in _OF_SIZES:
        return result.cause, ""
    return _by_calls(evidence, part, result.cause), ""


def _by_calls(evidence: Evidence, part: str, seen: str) -> str:
    """Told from which calls work; what was seen if nothing is."""
    size = sizes.BY_CLASS[part][0]
    longest = size.get("block_size", 5)
    alone = all(_runs(evidence, part, size, (time,)) for time in (2, longest))
    if alone and not all(
        _runs(evidence, part, size, times) for times in ((longest, 2), (2, longest))
    ):
        return "state-kept-between-calls"
    if part == "MLP":
        return seen
    if part == "GPT2" and _counts_rows(evidence, size):
        return "position-uses-batch-index"
    if all(
        _runs(evidence, part, each, (time,))
        for each in sizes.BY_CLASS[part]
        for time in (1, 2, each["block_size"])
    ):
        return _by_length(evidence, part) or seen
    return _by_size(evidence, part) or seen


def _counts_rows(evidence: Evidence, size: Size) -> bool:
    """Whether a GPT2 takes as many sequences as tokens, and one, but no other number of them."""

    def takes(rows: int, time: int) -> bool:
        module = evidence.models.module("GPT2", size, seed=next(_fresh))
        with suppress(CandidateError, WorkerLost):
            module.call(np.zeros((rows, time), np.int64))
            return True
        return False

    return all(takes(*shape) for shape in ((3, 3), (2, 2))) and not any(
        takes(*shape) for shape in ((2, 3), (3, 2))
    )


def _by_length(evidence: Evidence, part: str) -> str:
    """The slug for a class that runs at small sizes, at a large one only for short sequences."""
    real = sizes.REAL.get(part)
    if real is None:
        return ""
    short, long = (_runs(evidence, part, real, (time,)) for time in (5, real["block_size"]))
    if long or not short:
        return ""
    return "position-table-too-small" if part == "GPT2" else "block-size-mask-fixed"


def _by_size(evidence: Evidence, part: str) -> str:
    """Told from which numbers of heads and which lengths work; "" if nothing is."""
    long, short, single = (
        [_runs(evidence, part, _size(part, heads), (time,)) for heads in _HEADS]
        for time in (_BLOCK_SIZE, _SHORT, 1)
    )
    if any(long) and not any(short):
        return "block-size-mask-fixed"
    if part == "GPT2" and all(single) and not any(long):
        return _why_none_is_as_long_as_allowed(evidence)
    working = [h for h, *runs in zip(_HEADS, long, short, strict=True) if all(runs)]
    # A single head hides many a wrong shape, and says nothing of what else works.
    one = len(working) == 1 and working != [1]
    return "hard-coded-heads" if one or _heads_make_no_difference(evidence, part) else ""


def _why_none_is_as_long_as_allowed(evidence: Evidence) -> str:
    """The slug for a model that fails for T = block_size alone, or before that."""
    size = _size("GPT2", 1)
    rows = [len(p.indices) for p in evidence.models.module("GPT2", size).parameters]
    enough = _BLOCK_SIZE in rows and _runs(evidence, "GPT2", size, (_BLOCK_SIZE - 1,))
    return "position-off-by-one" if enough else "position-table-too-small"


def _heads_make_no_difference(evidence: Evidence, part: str) -> bool:
    """Whether a class that runs with several numbers of heads computes the same with each."""
    outputs = []
    with suppress(CandidateError, WorkerLost, NotRun):
        for heads in (2, 3, 6):
            module = evidence.models.module(part, _size(part, heads))
            rng = np.random.default_rng(0)
            theta = module.random(rng, 0.5)
            outputs.append(module.call(_input(part, rng, _EMBED_DIM, _SHORT), theta))
    return len(outputs) == 3 and all(common.same(outputs[0], other) for other in outputs[1:])


def _size(part: str, heads: int) -> Size:
    """A size with this number of heads, in the order of the signature."""
    size: Size = {"embed_dim": _EMBED_DIM, "num_heads": heads}
    if part == "GPT2":
        size = {"vocab_size": 11, **size, "num_layers": 1}
    return {**size, "block_size": _BLOCK_SIZE}


def _input(part: str, rng: np.random.Generator, embed_dim: int, time: int) -> np.ndarray:
    x = rng.normal(0.0, 1.0, (2, time, embed_dim))
    return np.zeros((2, time), dtype=np.int64) if part == "GPT2" else x


def _runs(evidence: Evidence, part: str, size: Size, times: tuple[int, ...]) -> bool:
    """Whether a new model takes inputs of these lengths, one after another."""
    rng = np.random.default_rng(0)
    try:
        module = evidence.models.module(part, size, seed=next(_fresh))
        for time in times:
            module.call(_input(part, rng, size["embed_dim"], time))
    except (CandidateError, WorkerLost, NotRun):
        return False
    return True
