"""What a step costs, by the processor time that the kernel counts, and nothing the worker says.

Multiplications are counted in the worker, where a submission can keep them from being counted. What
it cannot do is compute without using the processor: so steps after long pasts are compared with
steps after short ones, and what they take more with a part of what computing the past anew takes
here, on the same machine at the same time.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from grader.check import Failure
from grader.exercises.kv_cache.client import CachedModel, Piece
from grader.exercises.kv_cache.common import Text, asked, chain, model, same
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import Size

_PASTS = (64, 224, 384)
_STEPS = 6  # after each past
_ATTEMPTS = 3
# Of the least that computing the past anew takes. A step that goes on from a cache takes a
# hundredth, and copies it, which is as cheap.
_SHARE = 0.5
_SLOWEST = 50.0  # as much takes who attends to one key after the other in Python


def check_clock(evidence: Evidence) -> None:
    """Fail if the time that a step takes grows as if the past were computed anew."""
    if not evidence.subject.processor_seconds():
        return  # this platform tells no one
    size: Size = {
        "vocab_size": 67,
        "embed_dim": 192,
        "num_heads": 4,
        "num_layers": 2,
        "block_size": _PASTS[-1] + 1,
    }
    text = Text(size, 1, (_PASTS[-1] + 1,), 0.02, evidence.seed)
    made = model(evidence, size)
    theta, idx = text.drawn(made)
    shown = text.counterexample("the same whatever the past", "more")
    for past in _PASTS:  # each with all the time: who loops over keys in Python is slow, not wrong
        evidence.subject.start_clock()
        start = [Piece(idx[:, :past], None, f"clock{past}")]
        asked(evidence, partial(made.steps, start, theta), "long texts", shown)
    keeps = _keeps_the_past(evidence)
    for _ in range(_ATTEMPTS if keeps else 0):
        grown = _slope(evidence, made, text)
        anew = _least(size)
        if grown < _SHARE * anew:
            return
    if not keeps:
        raise Failure(
            "after weights have changed, a step gives what the new ones make of the past: keys and "
            "values are computed anew from what is kept of it",
            shown,
            "cache-recomputes",
        )
    if grown < _SLOWEST * anew:
        return
    raise Failure(
        f"each token of the past makes a step take {grown * 1e6:.0f} µs of processor time longer; "
        f"to compute it anew takes {anew * 1e6:.0f} µs or more here, to attend to it far less",
        shown,
        "cache-recomputes",
    )


def _keeps_the_past(evidence: Evidence) -> bool:
    """Whether a step goes on from keys and values: those of weights that have changed since.

    One parameter after the other changes between the past and the step, in a model of one block.
    What the past is then still made with is kept: of who keeps tokens nothing, of who keeps what
    goes into attention its tables and a norm, of who keeps keys and values their weights besides.
    """
    size: Size = {
        "vocab_size": 11,
        "embed_dim": 16,
        "num_heads": 2,
        "num_layers": 1,
        "block_size": 12,
    }
    text = Text(size, 1, (11, 1), 0.5, evidence.seed)
    made = model(evidence, size)
    theta, idx = text.drawn(made)
    kept = 0
    for parameter in made.parameters:
        evidence.subject.start_clock()
        changed = theta.copy()
        changed[parameter.indices] *= -1.5
        made.steps([Piece(idx[:, :11], None, "before")], theta)
        (found,) = made.steps([Piece(idx[:, 11:], "before")], changed)
        if not same(found, made.call(idx)[:, 11:]):
            kept += parameter.indices.size
    width = size["embed_dim"]
    before_attention = (size["vocab_size"] + size["block_size"] + 2) * width
    return kept >= before_attention + width**2


def _slope(evidence: Evidence, made: CachedModel, text: Text) -> float:
    """Seconds that a step takes more for each token of the past: a line through all lengths."""
    rng = np.random.default_rng((evidence.seed, 12))
    spent = []
    for past in _PASTS:
        new = rng.integers(0, text.size["vocab_size"], (_STEPS, 1, 1))
        steps = [Piece(idx, f"clock{past}") for idx in new]
        evidence.subject.start_clock()
        before = evidence.subject.processor_seconds()
        found = made.steps(steps)
        spent.append((evidence.subject.processor_seconds() - before) / _STEPS)
        _expect_right(made, text, past, new[-1], found[-1])
    return float(np.polyfit(_PASTS, spent, 1)[0])


def _expect_right(
    made: CachedModel, text: Text, past: int, new: np.ndarray, found: np.ndarray
) -> None:
    """Whoever takes no time has to be right, too."""
    _, idx = text.drawn(made)
    whole = made.call(np.concatenate([idx[:, :past], new], 1))
    if same(found, whole[:, past:]):
        return
    other = idx[:, :past].copy()
    other[:, 0] = (other[:, 0] + 1) % text.size["vocab_size"]
    _, after_other = made.steps(chain(np.concatenate([other, new], 1), (past, 1)))
    matters = not same(made.call(np.concatenate([other, new], 1))[:, past:], whole[:, past:])
    raise Failure(
        f"a token after {past} gets different logits than in the whole text",
        cause="cache-drops-tokens" if matters and same(after_other, found) else "",
    )


def _least(size: Size) -> float:
    """Seconds for a token's projections and MLP in all blocks but the last, where its keys and
    values alone are needed: no way to compute the past anew does without.
    """
    width, count = size["embed_dim"], 256
    x, weight = np.ones((count, width)), np.ones((width, 12 * width))
    taken = []
    for _ in range(5):
        before = time.process_time()
        x @ weight
        taken.append(time.process_time() - before)
    return min(taken) / count * (size["num_layers"] - 1)
