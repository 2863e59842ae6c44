"""Requirements of `CachedGPT2`: a text in pieces gives what it gives whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises import contract
from grader.exercises.kv_cache.client import Piece, build
from grader.exercises.kv_cache.common import (
    NAME,
    SIZES,
    Text,
    asked,
    asked_to_read,
    cause_of,
    chain,
    model,
    reading,
    same,
    texts,
    whole,
)
from grader.exercises.kv_cache.explain import why
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import worst
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned, call

PART = "Pieces"
_SINGLE = 1e-3  # of the logits' size: what float32 leaves


def _watched(evidence: Evidence) -> Iterator[Returned]:
    """A forward without a cache, and one that goes on from what it left."""
    idx = np.zeros((1, 2), dtype=np.int64)
    built = call(evidence.subject, NAME, SIZES[0], keep=True)
    ask = partial(call, evidence.subject, "__call__", {}, on=built.held, watch=True)
    first = ask(args=[idx], keep=True)
    yield first
    cache = call(evidence.subject, "__getitem__", {}, args=[1], on=first.held, keep=True)
    yield ask(args=[idx, cache.held])


test_from_scratch = contract.from_scratch(
    "kv_cache",
    "write the cache",
    "torch, the standard library and your own gpt2.py only.",
    watched=_watched,
)


test_imports = contract.imports("kv_cache", PART)


@check(
    "kv_cache.signature",
    PART,
    1,
    hints=(
        "Compare the constructor and forward with the stub's, letter by letter.",
        "Six arguments, the last with a default; then forward(idx, cache=None).",
        "def forward(self, idx, cache=None), which ends with return logits, cache.",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """CachedGPT2 is built as GPT2 is, and forward takes idx and a cache, None if it is not given.

    What it gives back is a tuple of two.
    """
    contract.expect_there(evidence, NAME)
    size = SIZES[0]
    idx = np.zeros((1, 2), dtype=np.int64)
    ways = "built by name, by position, and without dropout_p; called with idx, and with a cache"
    try:
        build(evidence.subject, NAME, {**size, "dropout_p": 0.0})
        build(evidence.subject, NAME, {}, args=[*size.values(), 0.0])
        made = build(evidence.subject, NAME, dict(size))
        made.call(idx)
        made.steps([Piece(idx, None, "a"), Piece(idx, "a")], named=True)
    except CandidateError as fault:
        if fault.status != "error":
            raise
        mistaken = re.search(r"TypeError: .*(argument|parameter)", fault.message)
        claimed = evidence.subject.found_classes()[NAME]
        message = f"{NAME} must be {ways}; it has {claimed}: {fault.message}"
        if mistaken:
            raise Failure(message, cause="wrong-signature") from None
        raise CandidateError("error", message, fault.traceback, cause_of(fault)) from None


@check(
    "kv_cache.shape",
    PART,
    4,
    hints=(
        "For which tokens are logits wanted?",
        "Print logits.shape for pieces of one token and of several, with and without a cache.",
        "(B, T, vocab_size) for the T new tokens, in the dtype of the weights: new tensors take "
        "their dtype from what is there.",
    ),
)
def test_shape(evidence: Evidence) -> None:
    """Logits have shape (B, T, vocab_size) for the T new tokens, and the dtype of the weights."""
    text = Text(SIZES[0], 2, (3, 1, 2), 0.5, evidence.seed)
    plain = model(evidence, text.size)
    theta, idx = text.drawn(plain)
    shapes = [(text.batch, cut, text.size["vocab_size"]) for cut in text.cuts]
    lines = [*reading(text.cuts)[:-1], "print([tuple(logits.shape) for logits in found])"]
    shown = text.counterexample(shapes, "others", *lines)
    right = asked(
        evidence, lambda: plain.steps(chain(idx, text.cuts), theta), "a text in pieces", shown
    )
    for expected, output in zip(shapes, right, strict=True):
        if output.shape != expected:
            raise Failure(
                f"expected logits of shape {expected}, found {output.shape}",
                text.counterexample(shapes, [output.shape for output in right], *lines),
                "head-wrong-size",
            )
    ways: tuple[dict[str, Any], ...] = (
        {"dtype": "float32"},
        {"dtype": "float64", "convert": True},
        {"dtype": "float32", "convert": True},
    )
    for way in ways:
        other = model(evidence, text.size, **way)
        words = f"with a {other.dtype} model" + " that was converted" * ("convert" in way)
        shown = _in_another(text, str(other.dtype), "convert" in way)
        found = asked(evidence, partial(other.steps, chain(idx, text.cuts), theta), words, shown)
        for one, two in zip(right, found, strict=True):
            if not np.abs(one - two).max() <= _SINGLE * max(1.0, np.abs(one).max()):
                message = f"{words}, the same weights give different logits"
                raise Failure(message, shown, "wrong-dtype")


def _in_another(text: Text, dtype: str, convert: bool) -> Counterexample:
    """A model in another dtype as code, which prints the logits' dtype, and if they are the same.

    convert: torch's default is another than the model's.
    """
    default = {"float64": "float32", "float32": "float64"}[dtype] if convert else dtype
    lines = [
        "right = model(idx)[0]",
        f"torch.set_default_dtype(torch.{default})",
        f"model = model.to(torch.{dtype})",
        *reading(text.cuts),
        f"near = (found - right).abs().max() < {_SINGLE} * max(1, right.abs().max())",
        "print(found.dtype, bool(near))",
    ]
    return text.counterexample(f"torch.{dtype} True", "something else", *lines)


@check(
    "kv_cache.one_by_one",
    PART,
    12,
    hints=(
        "What does a token need of those before it, and where does it stand?",
        "Feed a text token by token, and compare each step's logits with those of the whole.",
        "Append the new keys and values to the cache's in every block, attend to all of them, and "
        "let positions begin at the length of the past.",
    ),
    examples=8,
)
@given(text=texts(st.integers(1, 9).map(lambda n: (1,) * n)))
def test_one_by_one(evidence: Evidence, text: Text) -> None:
    """Token by token, the logits are those of the whole text."""
    _compare(evidence, text)


@check(
    "kv_cache.beginning",
    PART,
    8,
    hints=(
        "How long is the past after a beginning of five tokens?",
        "Read a beginning of several tokens, then single ones; print the positions that you use.",
        "Count tokens, not calls: the past is as long as the cached keys are.",
    ),
    examples=8,
)
@given(text=texts(st.tuples(st.integers(2, 6), st.just(1), st.just(1))))
def test_beginning(evidence: Evidence, text: Text) -> None:
    """After a beginning of several tokens, single ones get the logits of the whole text."""
    _compare(evidence, text)


@check(
    "kv_cache.several",
    PART,
    12,
    hints=(
        "Which keys may the second of three new tokens see?",
        "Print the mask (T, P + T) for P = 2 and T = 3.",
        "New token t sees keys 0 to P + t: the last T rows of the mask of P + T tokens. "
        "is_causal=True aligns the mask at the other corner.",
    ),
    examples=12,
)
@given(text=texts(st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)))
def test_several(evidence: Evidence, text: Text) -> None:
    """Pieces of any lengths give the logits of the whole text."""
    _compare(evidence, text)


@check(
    "kv_cache.batch",
    PART,
    4,
    hints=(
        "Does a sequence depend on the others of its batch?",
        "Read three texts in pieces as one batch, then each alone.",
        "Batch first in the cache too; nothing but attention mixes anything, and only over time.",
    ),
    examples=6,
)
@given(text=texts(st.tuples(st.integers(1, 3), st.integers(1, 3)), batches=(2, 4)))
def test_batch(evidence: Evidence, text: Text) -> None:
    """Every text of a batch gets the logits that it gets alone."""
    made = model(evidence, text.size)
    theta, idx = text.drawn(made)
    pieces = chain(idx, text.cuts)
    rows = [chain(idx[b : b + 1], text.cuts, f"row{b}.") for b in range(text.batch)]
    everything = [*pieces, *(piece for row in rows for piece in row)]
    ask = partial(made.steps, everything, theta)
    shown = text.in_pieces("an error", 0)
    found = asked_to_read(evidence, ask, made, text, "texts in pieces", shown)
    together = np.concatenate(found[: len(pieces)], 1)
    for b in range(text.batch):
        start = len(pieces) * (1 + b)
        alone = np.concatenate(found[start : start + len(pieces)], 1)
        if not same(together[b : b + 1], alone):
            raise Failure(
                f"text {b} of the batch gets different logits than it gets alone",
                text.in_pieces(np.abs(together[b] - alone[0]).max(), b),
                "batch-mixing",
            )


def _compare(evidence: Evidence, text: Text) -> None:
    """Fail unless the pieces give the logits of the whole."""
    made = model(evidence, text.size)
    theta, idx = text.drawn(made)
    wanted = whole(evidence, made, theta, text, idx)
    what = f"a text of {idx.shape[1]} tokens in pieces of {', '.join(map(str, text.cuts))}"
    shown = text.in_pieces("an error")
    ask = partial(made.steps, chain(idx, text.cuts), theta)
    outputs = asked_to_read(evidence, ask, made, text, what, shown)
    found = np.concatenate(outputs, 1)
    if same(found, wanted):
        return
    _, t, _ = worst(found - wanted)
    place = int(np.searchsorted(np.cumsum(text.cuts), t, side="right"))
    cause, proven = why(evidence)
    raise Failure(
        f"{what}: at place {t}, in piece {place + 1}, the logits are not those of the whole text",
        text.in_pieces(np.abs(found - wanted).max()),
        cause,
        proven,
    )
