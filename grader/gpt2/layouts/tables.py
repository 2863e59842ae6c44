"""Embeddings, final norm and head of a whole GPT-2, told by what they do to the logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import ABSENT, NOTHING, SAME, Floats, Indices, LayoutNotFound, lookup
from grader.gpt2.layouts.model import ModelSizes
from grader.gpt2.layouts.norm import NormLayout
from grader.gpt2.oracle import Integers


class WholeBox(Protocol):
    """A function of parameters and token indices (B, T) -> (B, T, V) that answers questions."""

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        """A parameter vector whose trained values are random and away from zero."""

    def call(self, theta: Floats, x: Integers) -> Floats:
        """The logits for parameters theta."""

    def sweep(self, theta: Floats, x: Integers, indices: Indices, step: float = 1.0) -> Floats:
        """Logits (n, B, T, V) with one element of theta after another raised by `step`."""


@dataclass(frozen=True)
class Tables:
    """Places of what is not in a block: tokens and head (V, C), positions (block_size, C)."""

    tokens: Indices
    positions: Indices
    norm: NormLayout
    head: Indices
    head_bias: Indices  # (V,)

    def weights(self, theta: Floats, blocks: Sequence[model.Block]) -> model.Gpt2:
        """The model's weights, given its blocks'."""
        return model.Gpt2(
            theta[self.tokens],
            theta[self.positions],
            blocks,
            self.norm.norm(theta),
            theta[self.head],
            lookup(theta, self.head_bias),
        )


def find_tables(
    box: WholeBox, parameters: Sequence[Indices], sizes: ModelSizes, rng: np.random.Generator
) -> tuple[Tables, Indices]:
    """The tables, and the places of all elements that are in none. Raises LayoutNotFound."""
    size, vocab, length = sizes.embed_dim, sizes.vocab_size, sizes.block_size
    theta = box.draw(rng)
    rows = [run for p in parameters for run in _runs(p, size, vocab)]
    tokens = next((t for t in rows if _is_tokens(box, theta, t)), None)
    head = next((t for t in rows if _is_head(box, theta, t)), None)
    if tokens is None or head is None:
        missing = "token embedding" if tokens is None else "head"
        raise LayoutNotFound(f"no table of (vocab_size, embed_dim) acts as the {missing}")
    rows = [run for p in parameters for run in _runs(p, size, length)]
    positions = next((t for t in rows if _is_positions(box, theta, t, length)), None)
    if positions is None:
        raise LayoutNotFound("no table of (block_size, embed_dim) acts as the position embedding")
    taken = np.concatenate([tokens.ravel(), head.ravel(), positions.ravel()])
    everything = np.concatenate([p.ravel() for p in parameters])
    rest = np.setdiff1d(everything, taken)
    theta[head[:size]] = np.eye(size)
    # Most often the norm is among the small parameters, which are soon asked for.
    few = np.concatenate(
        [p.ravel() for p in parameters if p.size <= max(vocab, 4 * size)] or [rest[:0]]
    )
    norm, bias = _final_norm(box, theta, np.intersect1d(rest, few).astype(np.intp), sizes)
    if (norm.weight == ABSENT).any() or (norm.bias == ABSENT).any():
        norm, bias = _final_norm(box, theta, rest, sizes)
    if (norm.weight == ABSENT).any():
        raise LayoutNotFound("no final norm with a weight for every channel stands before the head")
    inside = np.setdiff1d(rest, np.concatenate([norm.weight, norm.bias, bias]))
    return Tables(tokens, positions, norm, head, bias), inside


def _runs(parameter: Indices, size: int, count: int) -> Iterator[Indices]:
    """`count` rows of `size` in a parameter: all, the first ones or the last ones."""
    indices = parameter.squeeze()
    if indices.ndim == 1 and indices.size % size == 0:
        table = indices.reshape(-1, size)
    elif indices.ndim == 2 and size in indices.shape:
        table = indices if indices.shape[1] == size else indices.T
    else:
        return
    if len(table) >= count:
        yield table[:count]
    if len(table) > count:
        yield table[-count:]


def _effect(box: WholeBox, theta: Floats, idx: Integers, index: int) -> Floats:
    """What raising one element does to the logits, as magnitudes."""
    change = box.sweep(theta, idx, np.array([index]))[0] - box.call(theta, idx)
    return np.abs(change)


def _is_tokens(box: WholeBox, theta: Floats, table: Indices) -> bool:
    """A row matters to the logits of others where its token stands, and else at most to its own."""
    last = len(table) - 1
    idx = np.array([[0, last - 1], [1, 0]])
    present = _effect(box, theta, idx, int(table[1, 0]))
    absent = np.delete(_effect(box, theta, idx, int(table[last, 0])), last, axis=-1)
    return bool(
        absent.max() < NOTHING
        and np.delete(present[0], 1, -1).max() < NOTHING
        and np.delete(present[1], 1, -1).max() > NOTHING
    )


def _is_head(box: WholeBox, theta: Floats, table: Indices) -> bool:
    """A row matters to the logits of its own token, wherever that does not stand."""
    last = len(table) - 1
    effect = _effect(box, theta, np.array([[0, 1]]), int(table[last, 0]))
    return bool(effect[..., last].min() > NOTHING and effect[..., :last].max() < NOTHING)


def _is_positions(box: WholeBox, theta: Floats, table: Indices, length: int) -> bool:
    """A row matters from its position on, whatever token stands there."""
    idx = np.arange(length)[None] % 3
    for place in (0, length - 1):
        felt = _effect(box, theta, idx, int(table[place, 0])).max((0, 2)) > NOTHING
        if not np.array_equal(felt, np.arange(length) >= place):
            return False
    return True


def _final_norm(
    box: WholeBox, theta: Floats, rest: Indices, sizes: ModelSizes
) -> tuple[NormLayout, Indices]:
    """The norm before the head and the head's bias, of elements whose effect is one channel of the
    normed stream, or one token's logit. ABSENT where there is none among these.
    """
    size, vocab = sizes.embed_dim, sizes.vocab_size
    idx = (size + np.arange(8)).reshape(4, 2)
    effect = box.sweep(theta, idx, rest) - box.call(theta, idx)  # (n, 4, 2, V)
    felt = np.abs(effect).max((1, 2)) > NOTHING  # (n, V)
    single = felt[:, :size].sum(1) == 1
    alone = felt.sum(1) == 1
    level = np.abs(effect - effect[:, :1, :1]).max((1, 2, 3)) < SAME
    weight = np.full(size, ABSENT, dtype=np.intp)
    bias, head_bias = weight.copy(), np.full(vocab, ABSENT, dtype=np.intp)
    for number in np.flatnonzero(single | alone):
        place = int(felt[number].argmax())
        table = head_bias if alone[number] else bias if level[number] else weight
        table[place] = rest[number]
    return NormLayout(weight, bias), head_bias
