"""Requirements of the cache of a `CachedGPT2`: it stays valid, and it is all there is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Failure, check
from grader.exercises.kv_cache.client import CachedModel, Piece
from grader.exercises.kv_cache.common import ZERO, Text, asked, model, remembers, same, texts
from grader.gpt2.evidence import Evidence
from grader.gpt2.oracle import Integers
from grader.sandbox.client import CandidateError
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values

PART = "Cache"

_ALIKE = 9  # texts of one shape: more than a ring of buffers may have


@check(
    "kv_cache.branches",
    PART,
    12,
    hints=(
        "What becomes of a cache when others go on from it?",
        "Go on from one cache with two different texts, one after the other, and then once more "
        "with the first.",
        "Make new tensors and a new list in every call: torch.cat does. What is written in place "
        "is written for everybody who holds it.",
    ),
    examples=8,
)
@given(text=texts(st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 2)), (1, 2)))
def test_branches(evidence: Evidence, text: Text) -> None:
    """Earlier caches stay valid, however far others have gone on from them."""
    made = model(evidence, text.size)
    theta, idx = text.drawn(made)
    first, *_ = text.cuts
    vocab, end = text.size["vocab_size"], sum(text.cuts[:2])
    if len(text.cuts) < 2:
        return
    start, one, last = idx[:, :first], idx[:, first:end], idx[:, end:]
    two = (one + 1) % vocab
    pieces = [Piece(start, None, "start"), Piece(one, "start", "one"), Piece(two, "start", "two")]
    if last.size:
        longer = (idx[:, first:] + 3) % vocab  # reaches beyond where the others end
        pieces += [Piece(longer, "start", None)]
        pieces += [Piece(last, "one", "one-on"), Piece((last + 2) % vocab, "two", "two-on")]
        pieces += [Piece((last + 3) % vocab, "one", None), Piece(last, "two", None)]
    pieces.append(Piece(one, "start", None))
    lines = [
        f"start, one, last = idx[:, :{first}], idx[:, {first}:{end}], idx[:, {end}:]",
        f"two = (one + 1) % {vocab}",
        "_, cache = model(start)",
        "first, mine = model(one, cache)",
        "model(two, cache)",
        "found = (model(one, cache)[0] - first).abs().max()",
    ]
    if last.size:
        lines += [
            f"model((idx[:, {first}:] + 3) % {vocab}, cache)",
            f"on = (model(last, mine)[0] - model(idx)[0][:, {end}:]).abs().max()",
            "found = max(found, on)",
        ]
    lines.append("print(found)")
    before = {"start": start, "one": np.concatenate([start, one], 1)}
    before["two"] = np.concatenate([start, two], 1)
    what = "a cache from which another text has gone on"
    _read_alike(evidence, made, theta, text, pieces, before, lines, what)


@check(
    "kv_cache.in_turns",
    PART,
    8,
    hints=(
        "What does your model remember between two calls?",
        "Read two texts in turns, each with its own cache; then begin a third without one.",
        "Keep nothing on self: all that is remembered is in the cache that you return.",
    ),
    examples=6,
)
@given(text=texts(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)), (2, 3)))
def test_in_turns(evidence: Evidence, text: Text) -> None:
    """Nothing is remembered but in the cache: texts may be read in turns, in any batches."""
    made = model(evidence, text.size)
    theta, idx = text.drawn(made)
    if len(text.cuts) < 2:
        return
    vocab, first = text.size["vocab_size"], text.cuts[0]
    other = (idx[:1] + 1) % vocab
    alike = (idx[:, :first] + 2) % vocab  # as many texts, as long: what is kept by shape is shared
    pieces = [
        Piece(idx[:, :first], None, "a"),
        *[Piece(alike, None, "c")] * _ALIKE,
        Piece(other[:, : first + 1], None, "b"),
        Piece(idx[:, first:], "a", None),
        Piece(other[:, first + 1 :], "b", None),
        Piece(idx[:, first:], "c", None),
        Piece(idx, None, None),
        Piece(other, None, None),
    ]
    pieces = [piece for piece in pieces if piece.idx.size]
    lines = [
        f"other = (idx[:1] + 1) % {vocab}",
        f"_, mine = model(idx[:, :{first}])",
        f"for _ in range({_ALIKE}):",
        f"    model((idx[:, :{first}] + 2) % {vocab})",
        f"_, yours = model(other[:, :{first + 1}])",
        f"found, _ = model(idx[:, {first}:], mine)",
        f"print((found - model(idx)[0][:, {first}:]).abs().max())",
    ]
    before = {"a": idx[:, :first], "b": other[:, : first + 1], "c": alike}
    what = "a text that is read while others are read too"
    _read_alike(evidence, made, theta, text, pieces, before, lines, what)


def _read_alike(
    evidence: Evidence,
    made: CachedModel,
    theta: Floats,
    text: Text,
    pieces: list[Piece],
    before: dict[str, Integers],
    lines: list[str],
    what: str,
) -> None:
    """Fail unless every piece gets the logits that a model gives it that reads nothing else.

    before: the tokens that stand before what goes on from a cache.
    """
    shown = text.counterexample(ZERO, "an error", *lines)
    try:
        found = asked(evidence, lambda: made.steps(pieces, theta), what, shown, control=False)
    except Failure as failure:
        works = failure.cause == "crashes" and all(
            _right_alone(made, piece, before) for piece in pieces
        )
        cause = _spoilt_by(made, text) if works else failure.cause
        if cause == "crashes" and remembers(evidence):
            cause = "cache-in-module"
        raise Failure(failure.message, failure.counterexample, cause) from None
    for piece, logits in zip(pieces, found, strict=True):
        if not same(logits, _alone(made, piece, before)):
            right = _right_alone(made, piece, before)
            raise Failure(
                f"{what} gives different logits than it gives alone",
                text.counterexample(ZERO, "more", *lines),
                _spoilt_by(made, text) if right else "",
            )


def _alone(made: CachedModel, piece: Piece, before: dict[str, Integers]) -> Values:
    """What the whole text gives for the tokens of a piece."""
    start = before.get(piece.source or "", piece.idx[:, :0])
    idx = np.concatenate([start, piece.idx], 1)
    return made.call(idx)[:, start.shape[1] :]


def _right_alone(made: CachedModel, piece: Piece, before: dict[str, Integers]) -> bool:
    """Whether a piece gets the right logits if nothing else is read: what else is wrong, others
    find.
    """
    start = before.get(piece.source or "", piece.idx[:, :0])
    alone = [Piece(start, None, "alone")] if start.size else []
    try:
        last = made.steps([*alone, Piece(piece.idx, "alone" if alone else None)])[-1]
        return same(last, _alone(made, piece, before))
    except CandidateError:
        return False


def _spoilt_by(made: CachedModel, text: Text) -> str:
    """The slug for a cache that others spoil: if so do texts that have nothing to do with it, it
    is not only the cache in which things are kept.
    """
    idx = np.arange(3)[None] % text.size["vocab_size"]
    start, one = Piece(idx[:, :2], None, "own"), Piece(idx[:, 2:], "own")
    try:
        found = made.steps([start, Piece(idx[:, ::-1].copy()), one])[2]
        if same(found, _alone(made, one, {"own": idx[:, :2]})):
            return "cache-changed-in-place"
    except CandidateError:
        pass
    return "cache-in-module"
