"""Sequences as long as real ones, and longer than GPT-2's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE
from grader.gpt2.models import Size, block_size_of
from grader.sandbox.client import CandidateError, WorkerLost

# Times that of a check. Of tests/submissions, the slowest takes 1.1 seconds of processor time for
# the longest sequence; filling in and reading the scores one by one, 3 for each head.
_PATIENCE = 4.0
_STARTS = (1, 5, 64, 128, 129, 256, 512, 1024)  # tokens: powers of two are where code is cut up
_POWERS = tuple(2**power for power in range(9))


def check_long(evidence: Evidence, name: str) -> None:
    """A sequence as long and wide as real ones: no size is built in, and none changes the rule.

    What the first few tokens give alone, which other checks prove right, they give in it too. One
    for whom that does not even hold among few tokens is not told so again.
    """
    for size in (sizes.REAL[name], sizes.LONG[name]):
        with unhurried(evidence, name, size):
            _check_starts(evidence, name, size)


@contextmanager
def unhurried(evidence: Evidence, name: str, size: Size) -> Iterator[None]:
    """Time enough for a long sequence, and words that say so if it is not.

    A mask made by loops in Python has a million steps for the longest, and is right all the same.
    """
    subject = evidence.subject
    hung = subject.has_hung(name)
    subject.start_clock(_PATIENCE)
    try:
        yield
    except WorkerLost as lost:
        if lost.status == "timeout" and not hung:
            subject.forget_hang(name)  # of shorter ones nothing is said
            lost.message = f"with a sequence of {size['block_size']:,} tokens, {lost.message}"
        raise
    finally:
        subject.start_clock()


def _check_starts(evidence: Evidence, name: str, size: Size) -> None:
    """Fail unless the first few tokens give alone what they give in a full sequence."""
    try:
        starts = tuple(start for start in _STARTS if start < size["block_size"])
        strange = _first_strange_start(evidence, name, size, starts)
    except CandidateError as fault:
        if fault.status in ("todo", "not-run"):
            raise
        cause = fault.cause
        if fault.status == "error":
            if not _takes(evidence, name, sizes.BY_CLASS[name][0]):
                raise  # so it does with short ones
            if name == "GPT2" and attention_fails(evidence, size):
                return  # which is not the model's fault
            cause = "position-table-too-small" if name == "GPT2" else "block-size-mask-fixed"
        raise Failure(
            f"fails for T = block_size = {size['block_size']}: {fault.message}", cause=cause
        ) from None
    if strange and not _first_strange_start(evidence, name, sizes.BY_CLASS[name][0], (1, 5)):
        raise Failure(
            f"with embed_dim={size['embed_dim']} and {size['block_size']} tokens, the first "
            f"{strange} outputs are not those that the first {strange} tokens give alone"
        )


def _takes(evidence: Evidence, name: str, size: Size) -> bool:
    """Whether a model of this size takes as many tokens as it should."""
    with suppress(CandidateError):
        _first_strange_start(evidence, name, size, (1,))
        return True
    return False


def check_lengths(evidence: Evidence, name: str) -> None:
    """Every power of two up to 256, and lengths between, give what they give in a longer sequence.

    Whoever cuts sequences up may be wrong where nothing is left over.
    """
    rng = np.random.default_rng((evidence.seed, len(name)))
    longest = int(rng.integers(258, 300))
    others = rng.integers(3, 256, 3).tolist()
    size = {"embed_dim": 4, "num_heads": 2, "block_size": longest}
    if name == "MLP":
        size = {"embed_dim": 4}
    elif name == "GPT2":
        size = {"vocab_size": 9, **size, "num_layers": 1}
        size["block_size"] = size.pop("block_size")  # in the signature's order
    strange = _first_strange_start(evidence, name, size, (*_POWERS, *others), longest)
    if strange is None:
        return
    leaks = name != "MLP" and sees_future(evidence, name, size, strange)
    raise Failure(
        f"the outputs for {strange} tokens are not those that the same tokens give at the "
        f"beginning of {longest}"
        + (f": with T = {strange} positions see later ones" if leaks else ""),
        cause="mask-none" if leaks and name == "CausalSelfAttention" else "",
    )


def sees_future(evidence: Evidence, name: str, size: Size, time: int) -> bool:
    """Whether in a sequence of this length the last token changes what is before it."""
    module = evidence.models.module(name, size)
    rng = np.random.default_rng(evidence.seed)
    x = _sequence(rng, size, time)
    other = x.copy()
    # Not one more for each channel: what a norm reads would be the same.
    other[:, -1] = -x[:, -1] if x.dtype != np.int64 else (x[:, -1] + 1) % size["vocab_size"]
    first, second = module.outputs([x, other], module.random(rng, 0.5))
    return not common.same(first[:, :-1], second[:, :-1], CLOSE)


def _sequence(rng: np.random.Generator, size: Size, time: int) -> Any:
    """A random one for a class of this size."""
    if "vocab_size" in size:
        return rng.integers(0, size["vocab_size"], (1, time))
    return rng.normal(0.0, 1.0, (1, time, size["embed_dim"]))


def attention_fails(evidence: Evidence, size: Size) -> bool:
    """Whether the submission's attention alone fails with as many tokens as a GPT2 of this size."""
    x = np.zeros((1, size["block_size"], size["embed_dim"]))
    try:
        evidence.models.module("CausalSelfAttention", block_size_of(size)).call(x)
    except CandidateError:
        return True
    return False


def _first_strange_start(
    evidence: Evidence, name: str, size: Size, starts: tuple[int, ...], longest: int = 0
) -> int | None:
    """How many tokens of a full sequence give something else together with the rest than alone.

    longest: of how many tokens that is, where no block_size says so.
    """
    rng = np.random.default_rng(evidence.seed)
    x = _sequence(rng, size, size.get("block_size", longest))
    module = evidence.models.module(name, size)
    theta = module.random(rng, size["embed_dim"] ** -0.5)
    whole, *alone = module.outputs([x, *(x[:, :t] for t in starts)], theta, any_shape=True)
    module.expect_shape(whole, x)
    pairs = zip(starts, alone, strict=True)
    return next((t for t, start in pairs if not common.same(whole[:, :t], start, CLOSE)), None)
