"""Requirements of a `CachedGPT2` on its limit, and on its modes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.kv_cache.client import CachedModel, Piece
from grader.exercises.kv_cache.common import SIZES, ZERO, Text, asked, chain, model, reading, same
from grader.exercises.kv_cache.test_model import PART
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import Size
from grader.sandbox.client import CandidateError
from grader.sandbox.client.worker import Values


@check(
    "kv_cache.block_size",
    PART,
    6,
    hints=(
        "What if past and new tokens together are too many?",
        "Read block_size tokens, whole and in pieces, then one more.",
        "if past + T > self.block_size: raise ValueError(…), before anything is computed or "
        "written.",
    ),
)
def test_block_size(evidence: Evidence) -> None:
    """Past and new tokens may be block_size together; for more, ValueError is raised."""
    for size in SIZES[:2]:
        limit = size["block_size"]
        text = Text(size, 1, (limit, 3), 0.5, evidence.seed)
        made = model(evidence, size)
        theta, idx = text.drawn(made)
        full = [
            Piece(idx[:, :limit], None, "full"),
            Piece(idx[:, : limit - 1], None, "nearly"),
            Piece(idx[:, limit - 1 : limit], "nearly", "full too"),
        ]
        what = f"{limit} tokens for block_size = {limit}"
        lines = [
            f"whole, full = model(idx[:, :{limit}])",
            f"_, nearly = model(idx[:, :{limit - 1}])",
            f"last, full_too = model(idx[:, {limit - 1} : {limit}], nearly)",
        ]
        ends = "print((last - whole[:, -1:]).abs().max())"
        shown = text.counterexample(ZERO, "more", *lines, ends)
        whole, _, last = asked(evidence, partial(made.steps, full, theta), what, shown)
        if not same(whole[:, -1:], last):
            raise Failure(f"{what} in two pieces: the last one gets different logits", shown)
        refused = (
            (Piece(idx[:, : limit + 1]), "", f"{limit + 1} tokens without a cache"),
            (Piece(idx[:, limit : limit + 1], "full"), "full", f"1 token after {limit}"),
            (Piece(idx[:, :2], "nearly"), "nearly", f"2 tokens after {limit - 1}"),
            (Piece(idx[:, :3], "full too"), "full_too", f"3 tokens after {limit}"),
        )
        for piece, cache, words in refused:
            start = f"{limit} : {limit + 1}" if cache == "full" else f":{piece.idx.shape[1]}"
            calling = f"model(idx[:, {start}], {cache})" if cache else f"model(idx[:, {start}])"
            shown = text.counterexample(
                "ValueError", "no error", *lines, calling, 'print("no error")'
            )
            _expect_refused(made, piece, f"{words}, for block_size = {limit}", shown)
        _expect_not_spoilt(made, text, full, last, [*lines, *_TRYING, ends])
    _expect_long(evidence)


# How long a text is read, and places in it that are one and the same for positions that wrap, or
# end, at a power of two: as long as GPT-2's and longer, and what those can do who loop in Python.
_LONG = (1100, ((50, 1074), (40, 552), (1030, 1060)))
_MIDDLING = (300, ((20, 276), (270, 290)))


def _expect_long(evidence: Evidence) -> None:
    """Fail unless a text that is as long as real ones is read like a short one."""
    size: Size = {"vocab_size": 11, "embed_dim": 4, "num_heads": 2, "num_layers": 1}
    limit, places = _LONG if _is_quick(evidence, {**size, "block_size": 64}) else _MIDDLING
    text = Text({**size, "block_size": limit}, 1, (limit - 5, 1, 4), 0.3, evidence.seed)
    made = model(evidence, text.size)
    theta, idx = text.drawn(made)
    for i, j in places:
        idx[0, j] = (idx[0, i] + 1) % 11
    swapped = [idx.copy() for _ in places]
    for other, (i, j) in zip(swapped, places, strict=True):
        other[0, [i, j]] = idx[0, [j, i]]
    what = f"a text of {limit:,} tokens"
    ask = partial(made.outputs, [idx[:, :100], idx, *swapped], theta)
    start, once, *others = asked(evidence, ask, what, text.read_whole("an error"))
    shown = text.in_pieces("more")
    evidence.subject.start_clock()
    pieces = asked(evidence, partial(made.steps, chain(idx, text.cuts)), what, shown)
    if not same(np.concatenate(pieces, 1), once):
        raise Failure(f"{what} in pieces of {limit - 5:,}, 1 and 4 gets different logits", shown)
    if not same(start, once[:, :100]):
        raise Failure(f"the first 100 tokens of {what} get different logits than by themselves")
    for (i, j), other in zip(places, others, strict=True):
        if np.abs(once[0, -1] - other[0, -1]).max() < _NOTHING:
            raise Failure(
                f"in {what}, for block_size={limit}, places {i} and {j} are one and the same: the "
                "last logits stay as they are if the tokens there change places",
                text.counterexample("more than 0", "0.0", *_swapping(i, j)),
                "position-table-too-small",
            )


def _is_quick(evidence: Evidence, size: Size) -> bool:
    """Whether as many calls of torch are made for a text, however long it is."""
    made = model(evidence, size)
    idx = np.zeros((1, size["block_size"]), dtype=np.int64)
    try:
        _, (few, many) = made.counted([Piece(idx[:, :8]), Piece(idx)])
    except CandidateError:
        return True  # it fails at these lengths, and does so at longer ones
    return many.calls < 2 * few.calls


def _swapping(i: int, j: int) -> tuple[str, ...]:
    """Code that prints how much the last logits change where two tokens change places."""
    return (
        f"idx[0, {j}] = (idx[0, {i}] + 1) % 11",
        "other = idx.clone()",
        f"other[0, {i}], other[0, {j}] = idx[0, {j}], idx[0, {i}]",
        "print(float((model(idx)[0] - model(other)[0])[0, -1].abs().max()))",
    )


_NOTHING = 1e-11  # of logits: what rounding leaves

# A call that raises, and the one that it must not spoil.
_TRYING = (
    "try:",
    "    model(idx[:, :2], nearly)",
    "except ValueError:",
    "    pass",
    "last, _ = model(idx[:, whole.shape[1] - 1 : whole.shape[1]], nearly)",
)


def _expect_not_spoilt(
    made: CachedModel, text: Text, full: list[Piece], last: Values, lines: list[str]
) -> None:
    """Fail unless a cache is of use after a call that raised, if it is after one that did not."""
    shown = text.counterexample(ZERO, "more", *lines)
    try:
        again = made.steps([full[2]])[0]
        problem = "" if same(again, last) else "the cache that it was given gives different logits"
    except CandidateError as fault:
        if fault.status != "error":
            raise
        problem = f"its cache is of no use any more: {fault.message}"
    if not problem:
        return
    # Without the calls that raised it may be of no use either: then it is not they that spoil it.
    try:
        spoilt = same(made.steps([*full, full[2]])[3], last)
    except CandidateError:
        spoilt = False
    cause = "cache-changed-in-place" if spoilt else ""
    raise Failure(f"after a call that raised, {problem}", shown, cause)


def _expect_refused(made: CachedModel, piece: Piece, words: str, shown: Counterexample) -> None:
    try:
        made.steps([piece])
    except CandidateError as fault:
        if fault.status == "todo":
            raise
        if fault.message.startswith("it raised ValueError:"):
            return
        raise Failure(
            f"expected a ValueError with words that help for {words}; {fault.message}",
            replace(shown, found=fault.message.removeprefix("it raised ")),
            "block-size-not-checked",
        ) from None
    raise Failure(f"expected a ValueError for {words}", shown, "block-size-not-checked")


@check(
    "kv_cache.dropout",
    PART,
    4,
    hints=(
        "When does dropout act?",
        "Read a piece twice from the same cache with dropout_p = 0.5: in eval mode, in train mode.",
        "nn.Dropout(dropout_p), or F.dropout with training=self.training, as in GPT2.",
    ),
)
def test_dropout(evidence: Evidence) -> None:
    """dropout_p acts in train mode and does nothing in eval mode."""
    text = Text(SIZES[0], 2, (3, 2), 0.5, evidence.seed)
    dropping = model(evidence, text.size, dropout_p=0.5)
    theta, idx = text.drawn(dropping)
    pieces = [Piece(idx[:, :3], None, "a"), Piece(idx[:, 3:], "a"), Piece(idx[:, 3:], "a")]
    right = asked(
        evidence,
        lambda: model(evidence, text.size).steps(pieces, theta),
        "a text",
        text.in_pieces("more"),
    )
    shown = text.counterexample(
        (2, 5, 11), "an error", "print(tuple(model(idx)[0].shape))", dropout_p=0.5, train=True
    )
    quiet = asked(
        evidence, lambda: dropping.steps(pieces, theta, seed=1), "with dropout_p = 0.5", shown
    )
    if not all(same(a, b) for a, b in zip(right, quiet, strict=True)):
        shown = text.counterexample("True", "False", *_WHOLE, dropout_p=0.5)
        raise Failure("in eval mode dropout_p changes the logits", shown, "dropout-always-on")
    noisy = [
        asked(
            evidence,
            partial(dropping.steps, pieces, theta, train=True, seed=s),
            "in train mode",
            shown,
        )
        for s in (1, 2)
    ]
    (start, once, again), (other, _, _) = noisy
    for one, two, words, lines in (
        (start, other, "a text without a cache gets the same logits twice", _WHOLE),
        (once, again, "a piece gets the same logits twice from the same cache", _PIECE),
    ):
        if same(one, two):
            shown = text.counterexample("False", "True", *lines, dropout_p=0.5, train=True)
            raise Failure(f"in train mode with dropout_p = 0.5, {words}", shown, "dropout-ignored")
    _expect_same_in_train_mode(evidence, text)


# Whether two calls on the same give the same: whole texts, or pieces after one cache.
_WHOLE = (
    "once, again = (model(idx)[0] for _ in range(2))",
    "print(torch.allclose(once, again))",
)
_PIECE = (
    "_, cache = model(idx[:, :3])",
    "once, again = (model(idx[:, 3:], cache)[0] for _ in range(2))",
    "print(torch.allclose(once, again))",
)


def _expect_same_in_train_mode(evidence: Evidence, text: Text) -> None:
    """Fail unless a model in train mode reads pieces as in eval mode, where nothing is dropped."""
    for dropout_p in (None, 0.0):
        made = model(evidence, text.size, dropout_p=dropout_p)
        theta, idx = text.drawn(made)
        for cuts in ((3, 2), (2, 1, 1, 1)):
            wanted = made.call(idx, theta)
            read = replace(text, cuts=cuts)
            lines = [*reading(cuts), "print((found - model.eval()(idx)[0]).abs().max())"]
            shown = read.counterexample(ZERO, "more", *lines, dropout_p=dropout_p, train=True)
            ask = partial(made.steps, chain(idx, cuts), train=True)
            what = f"in train mode without dropout, a text in pieces of {', '.join(map(str, cuts))}"
            if not same(np.concatenate(asked(evidence, ask, what, shown), 1), wanted):
                quiet = np.concatenate(made.steps(chain(idx, cuts)), 1)
                cause = "differs-in-train-mode" if same(quiet, wanted) else ""
                raise Failure(f"{what} gets different logits than in eval mode", shown, cause)
