"""Sequences as long as real ones, and longer than GPT-2's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.gpt2 import common, sizes
from grader.checks.models import Size, block_size_of
from grader.oracle.layouts.box import CLOSE
from grader.remote import CandidateError, WorkerLost

_STARTS = (1, 5, 129)  # tokens
# Times that of a check. Of tests/submissions, the slowest takes 1.1 seconds of processor time for
# the longest sequence; filling in and reading the scores one by one, 3 for each head.
_PATIENCE = 4.0


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
        strange = _first_strange_start(evidence, name, size, _STARTS)
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


def attention_fails(evidence: Evidence, size: Size) -> bool:
    """Whether the submission's attention alone fails with as many tokens as a GPT2 of this size."""
    x = np.zeros((1, size["block_size"], size["embed_dim"]))
    try:
        evidence.models.module("CausalSelfAttention", block_size_of(size)).call(x)
    except CandidateError:
        return True
    return False


def _first_strange_start(
    evidence: Evidence, name: str, size: Size, starts: tuple[int, ...]
) -> int | None:
    """How many tokens of a full sequence give something else together with the rest than alone."""
    rng = np.random.default_rng(evidence.seed)
    shape = (1, size["block_size"])
    x: Any = (
        rng.integers(0, size["vocab_size"], shape)
        if "vocab_size" in size
        else rng.normal(0.0, 1.0, (*shape, size["embed_dim"]))
    )
    module = evidence.models.module(name, size)
    theta = module.random(rng, size["embed_dim"] ** -0.5)
    whole, *alone = module.outputs([x, *(x[:, :t] for t in starts)], theta, any_shape=True)
    module.expect_shape(whole, x)
    pairs = zip(starts, alone, strict=True)
    return next((t for t, start in pairs if not common.same(whole[:, :t], start, CLOSE)), None)
