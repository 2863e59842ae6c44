"""The ways in which a GPT2 is put together that are taken for the right one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from grader.gpt2.model_forms import (
    Embed,
    Finish,
    Function,
    ModelForm,
    Pieces,
    Stack,
    add_positions,
    norm_and_project,
    position_rows,
    project,
    run_blocks,
    times,
)
from grader.gpt2.oracle import Floats, Integers, softmax

_BATCH = np.s_[:, None]


def _at(position: Callable[[Integers, Pieces], Integers]) -> Embed:
    """Token embedding plus the rows of the table that `position` names."""
    return lambda idx, pieces: pieces.tokens[idx] + position_rows(pieces, position(idx, pieces))


def _table_length(pieces: Pieces) -> int:
    return 0 if pieces.positions is None else len(pieces.positions)


_EMBEDDINGS: tuple[tuple[str, str, str, Embed], ...] = (
    ("no-position", "positions", "no position embedding", lambda i, p: p.tokens[i]),
    (
        "position-off-by-one",
        "positions",
        "positions start at 1",
        _at(lambda i, p: np.minimum(times(i) + 1, max(_table_length(p) - 1, 0))),
    ),
    (
        "position-off-by-one",
        "positions",
        "positions are one too low",
        _at(lambda i, p: np.maximum(times(i) - 1, 0)),
    ),
    (
        "position-reversed",
        "positions",
        "positions run backwards",
        _at(lambda i, p: times(i)[::-1]),
    ),
    (
        "position-depends-on-t",
        "positions",
        "positions are counted from the end of the table",
        _at(lambda i, p: times(i) + _table_length(p) - i.shape[1]),
    ),
    (
        "position-depends-on-t",
        "positions",
        "positions are counted back from block_size",
        _at(lambda i, p: _table_length(p) - 1 - times(i)),
    ),
    ("position-off-by-one", "positions", "position // 2 is used", _at(lambda i, p: times(i) // 2)),
    (
        "position-multiplied",
        "positions",
        "token * position",
        lambda i, p: p.tokens[i] * position_rows(p, times(i)),
    ),
    (
        "position-multiplied",
        "positions",
        "token * (1 + position)",
        lambda i, p: p.tokens[i] * (1 + position_rows(p, times(i))),
    ),
    (
        "position-uses-batch-index",
        "positions",
        "the position is the row of the batch",
        _at(lambda i, p: np.arange(len(i), dtype=np.int64)[_BATCH]),
    ),
    (
        "position-uses-batch-index",
        "positions",
        "positions go on counting from row to row of the batch",
        _at(lambda i, p: np.arange(i.size).reshape(i.shape) % max(_table_length(p), 1)),
    ),
    (
        "position-skips-padding",
        "positions",
        "positions count only the tokens that are not 0",
        _at(lambda i, p: np.maximum(np.cumsum(i != 0, 1) - 1, 0)),
    ),
    (
        "position-skips-padding",
        "positions",
        "positions count only the tokens that are not 0, which have position 0 themselves",
        _at(lambda i, p: np.maximum(np.cumsum(i != 0, 1) - 1, 0) * (i != 0)),
    ),
    (
        "position-skips-padding",
        "positions",
        "positions count only the tokens that are not 0, from 1 on",
        _at(lambda i, p: np.cumsum(i != 0, 1) * (i != 0)),
    ),
    (
        "tied-position-token",
        "positions",
        "positions are looked up in the token table",
        lambda i, p: p.tokens[i] + p.tokens[times(i)],
    ),
    (
        "embedding-scaled",
        "tokens",
        "token * √embed_dim + position",
        lambda i, p: p.tokens[i] * math.sqrt(p.tokens.shape[1]) + position_rows(p, times(i)),
    ),
    (
        "embedding-scaled",
        "tokens",
        "(token + position) * √embed_dim",
        lambda i, p: add_positions(i, p) * math.sqrt(p.tokens.shape[1]),
    ),
    (
        "vocab-clamp",
        "tokens",
        "the last token index is not told from others",
        lambda i, p: p.tokens[np.minimum(i, len(p.tokens) - 2)] + position_rows(p, times(i)),
    ),
    (
        "vocab-clamp",
        "tokens",
        "token indices are taken modulo half the vocabulary",
        lambda i, p: p.tokens[i % (len(p.tokens) // 2)] + position_rows(p, times(i)),
    ),
    (
        "no-position",
        "positions",
        "the same position for every token",
        _at(lambda i, p: np.zeros_like(i)),
    ),
    (
        "batch-mixing",
        "causal",
        "the mean over the batch is taken off the tokens",
        lambda i, p: (x := p.tokens[i]) - x.mean(0, keepdims=True) + position_rows(p, times(i)),
    ),
    (
        "leak-via-sequence-mean",
        "causal",
        "the mean over the sequence is taken off the tokens",
        lambda i, p: (x := p.tokens[i]) - x.mean(1, keepdims=True) + position_rows(p, times(i)),
    ),
    (
        "leak-via-sequence-mean",
        "causal",
        "the mean over the sequence is taken off",
        lambda i, p: (x := add_positions(i, p)) - x.mean(1, keepdims=True),
    ),
    (
        "batch-mixing",
        "causal",
        "the mean over the batch is taken off",
        lambda i, p: (x := add_positions(i, p)) - x.mean(0, keepdims=True),
    ),
)


def _with_embedding_again(x: Floats, pieces: Pieces) -> Floats:
    start = x
    for number, block in enumerate(pieces.blocks):
        x = block(x if number == 0 else x + start)
    return x


def _norm_before(x: Floats, pieces: Pieces) -> Floats:
    return run_blocks(pieces.norm(x), pieces)


def _norm_twice(x: Floats, pieces: Pieces) -> Floats:
    return project(pieces.norm(pieces.norm(x)), pieces)


def _around(block: Function) -> Function:
    return lambda x: x + block(x)


def _repeat_first(x: Floats, pieces: Pieces) -> Floats:
    for _ in range(pieces.num_layers):
        x = pieces.blocks[0](x)
    return x


_STACKS: tuple[tuple[str, str, Stack], ...] = (
    ("only-first-block", "only the first block", lambda x, p: p.blocks[0](x)),
    (
        "ignores-num-layers",
        "the last block is left out",
        lambda x, p: run_blocks(x, p.over(p.blocks[:-1])),
    ),
    (
        "ignores-num-layers",
        "the first block is left out",
        lambda x, p: run_blocks(x, p.over(p.blocks[1:])),
    ),
    ("ignores-num-layers", "no block is used", lambda x, p: x),
    ("blocks-shared", "the first block is used for every layer", _repeat_first),
    (
        "num-layers-plus-one",
        "the last block is used twice",
        lambda x, p: p.blocks[-1](run_blocks(x, p)),
    ),
    (
        "num-layers-plus-one",
        "the first block is used twice",
        lambda x, p: run_blocks(p.blocks[0](x), p),
    ),
    (
        "num-layers-plus-one",
        "all blocks are used twice",
        lambda x, p: run_blocks(run_blocks(x, p), p),
    ),
    (
        "double-residual",
        "the embedding is added again after the blocks",
        lambda x, p: run_blocks(x, p) + x,
    ),
    (
        "double-residual",
        "a residual around each block: x = x + block(x)",
        lambda x, p: run_blocks(x, p.over([_around(block) for block in p.blocks])),
    ),
    ("double-residual", "every block sees the embedding again", _with_embedding_again),
)


def _reordered(logits: Floats) -> Floats:
    """(B·T, V) seen as (T, B, V) and turned round, in place of (B, T, V)."""
    batch, length, size = logits.shape
    return logits.reshape(length, batch, size).swapaxes(0, 1)


_ENDS: tuple[tuple[str, str, str, Finish], ...] = (
    ("final-norm-missing", "final_norm", "head(blocks(…)): no final norm", project),
    ("final-norm-twice", "final_norm", "head(norm(norm(blocks(…))))", _norm_twice),
    (
        "norm-shared",
        "final_norm",
        "the final norm is one of a block's",
        lambda x, p: project(p.other_norm(x), p),
    ),
    (
        "softmax-on-logits",
        "logits",
        "softmax of the logits",
        lambda x, p: softmax(norm_and_project(x, p)),
    ),
    (
        "log-softmax",
        "logits",
        "log-softmax of the logits",
        lambda x, p: np.log(softmax(norm_and_project(x, p))),
    ),
    (
        "embedding-scaled",
        "logits",
        "logits / √embed_dim",
        lambda x, p: norm_and_project(x, p) / math.sqrt(p.tokens.shape[1]),
    ),
    (
        "embedding-scaled",
        "logits",
        "logits * √embed_dim",
        lambda x, p: norm_and_project(x, p) * math.sqrt(p.tokens.shape[1]),
    ),
    (
        "leak-via-sequence-mean",
        "causal",
        "the mean over the sequence is taken off before the final norm",
        lambda x, p: norm_and_project(x - x.mean(1, keepdims=True), p),
    ),
    (
        "leak-via-sequence-mean",
        "causal",
        "the mean over the sequence is taken off after the final norm",
        lambda x, p: project((h := p.norm(x)) - h.mean(1, keepdims=True), p),
    ),
    (
        "batch-mixing",
        "causal",
        "logits are reshaped with batch and time in the wrong order",
        lambda x, p: _reordered(norm_and_project(x, p)),
    ),
    (
        "batch-mixing",
        "causal",
        "the mean over the batch is taken off before the final norm",
        lambda x, p: norm_and_project(x - x.mean(0, keepdims=True), p),
    ),
)

_NORM_FIRST: tuple[ModelForm, ...] = tuple(
    ModelForm(
        ("norm-before-blocks",),
        frozenset({"final_norm"}),
        words,
        stack=_norm_before,
        finish=end,
    )
    for words, end in (
        ("head(blocks(norm(token + position)))", project),
        ("head(norm(blocks(norm(token + position))))", norm_and_project),
    )
)

DEVIANT_MODELS: tuple[ModelForm, ...] = (
    *(ModelForm((c,), frozenset({v}), f, embed=e) for c, v, f, e in _EMBEDDINGS),
    *(ModelForm((c,), frozenset({"layers"}), f, stack=s) for c, f, s in _STACKS),
    *(ModelForm((c,), frozenset({v}), f, finish=e) for c, v, f, e in _ENDS),
    *_NORM_FIRST,
)


def _pairs() -> Iterator[ModelForm]:
    """A slip in each of two of the three stages."""
    for first, second in itertools.combinations(DEVIANT_MODELS, 2):
        merged = replace(
            second,
            causes=first.causes + second.causes,
            violates=first.violates | second.violates,
            formula=f"{first.formula}; {second.formula}",
        )
        if first.embed is not add_positions and second.embed is add_positions:
            yield replace(merged, embed=first.embed)
        elif first.stack is not run_blocks and second.finish is not norm_and_project:
            yield replace(merged, stack=first.stack)


PAIRED_MODELS: tuple[ModelForm, ...] = tuple(_pairs())
