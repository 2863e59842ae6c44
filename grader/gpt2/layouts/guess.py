"""Where the weights of a part may lie when a slip keeps its layout from being found.

Guesses in the order in which people declare things. A guess under which a deviation computes what
the submission computes is right; any other does no harm.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import ABSENT, Floats, Indices, LayoutNotFound, ParameterProbe
from grader.gpt2.layouts.values import find_units


@dataclass(frozen=True)
class AttentionGuess:
    """Places of weights as in `model.Attention`; all biases are taken to be zero."""

    query: Indices  # (H, D, C)
    key: Indices
    value: Indices
    out: Indices  # (C, H, D)
    causes: tuple[str, ...] = ()  # slugs, where two of them are the same

    def weights(self, theta: Floats) -> model.Attention:
        """The weights that these parameter values stand for."""
        none = np.zeros(self.query.shape[:2])
        theta = np.append(theta, 0.0)  # which a place of ABSENT is
        return model.Attention(
            theta[self.query],
            theta[self.key],
            theta[self.value],
            theta[self.out],
            none,
            none,
            none,
            np.zeros(len(self.out)),
        )


def guess_attention(
    box: ParameterProbe,
    parameters: Sequence[Indices],
    size: int,
    heads: int,
    rng: np.random.Generator,
) -> Iterator[AttentionGuess]:
    """Guesses that keep to what one token shows: which weights are values' and outputs'."""
    try:
        units = find_units(box, size, rng)
    except LayoutNotFound:
        return
    order = np.argsort(units.value[:, 0])
    value, out = units.value[order], units.out[:, order]
    stride = int(value[0, 1] - value[0, 0]) if size > 1 else 1
    rows = [_rows(p, size, stride) for p in parameters if p.ndim > 1]
    free = [row for row in itertools.chain(*rows) if np.isin(row, units.silent).all()]
    for query, key, interleaved, cause in _pairs(np.array(free), value, heads):
        yield AttentionGuess(
            _by_head(query, heads, interleaved),
            _by_head(key, heads, interleaved),
            _by_head(value, heads, interleaved),
            _by_head(out.T, heads, interleaved).transpose(2, 0, 1),
            (cause,) if cause else (),
        )


def _pairs(
    free: Indices, value: Indices, heads: int
) -> Iterator[tuple[Indices, Indices, bool, str]]:
    """Query rows, key rows, whether heads are interleaved, and a cause if two are the same."""
    size = value.shape[1]
    if len(free) == size:  # one matrix for two: queries and keys, or with the values
        for interleaved in (False, True):
            yield free, free, interleaved, "qk-shared"
            yield free, value, interleaved, "kv-shared"
            yield value, free, interleaved, "kv-shared"
    if len(free) != 2 * size:
        return
    lengths = {"role": 2, "head": heads, "width": size // heads}
    for axes in itertools.permutations(lengths):
        shaped = free.reshape(*(lengths[axis] for axis in axes), size)
        roles = np.moveaxis(shaped, axes.index("role"), 0).reshape(2, size, size)
        interleaved = axes.index("width") < axes.index("head")
        yield roles[0], roles[1], interleaved, ""
        yield roles[1], roles[0], interleaved, ""
        for used in roles:  # and the other is not
            yield used, used, interleaved, "qk-shared"
            yield used, value, interleaved, "kv-shared"
            yield value, used, interleaved, "kv-shared"


def declared_attention(
    parameters: Sequence[Indices], size: int, heads: int
) -> Iterator[AttentionGuess]:
    """Guesses by shape alone: matrices in any roles, of either orientation."""
    for stride in (1, 0):
        rows = [row for p in parameters if p.ndim > 1 for row in _rows(p, size, stride)]
        if not rows or len(rows) % size or not 2 <= len(rows) // size <= 4:
            continue
        for matrices in _matrices(np.array(rows), size, heads):
            count = len(matrices)
            for q, k, v, o in itertools.product(range(count), repeat=4):
                if len({q, k, v, o}) != count or (count == 4 and o != 3 and {q, k, v} != {1, 2, 3}):
                    continue
                outs = matrices[o], matrices[o].T
                for interleaved, out in itertools.product((False, True), outs):
                    yield AttentionGuess(
                        _by_head(matrices[q], heads, interleaved),
                        _by_head(matrices[k], heads, interleaved),
                        _by_head(matrices[v], heads, interleaved),
                        _by_head(out, heads, interleaved).transpose(2, 0, 1),
                    )


def _matrices(rows: Indices, size: int, heads: int) -> Iterator[Indices]:
    """Rows as matrices one after another; or each head with its three parts of them, and perhaps
    an output matrix after or before all heads.
    """
    yield rows.reshape(-1, size, size)
    if heads == 1 or len(rows) < 3 * size:
        return
    for inside, rest in ((rows[: 3 * size], rows[3 * size :]), (rows[-3 * size :], rows[:size])):
        by_head = inside.reshape(heads, 3, size // heads, size).swapaxes(0, 1)
        rest = rest if len(rows) > 3 * size else rest[:0]
        yield np.concatenate([by_head.reshape(-1, size), rest]).reshape(-1, size, size)


def shared_by_heads(
    parameters: Sequence[Indices], size: int, heads: int
) -> Iterator[AttentionGuess]:
    """Guesses for one query, key and value projection of head_dim rows that every head uses."""
    width = size // heads
    for stride in (1, 0):
        rows = [row for p in parameters if p.ndim > 1 for row in _rows(p, size, stride)]
        if len(rows) != 3 * width + size:
            continue
        for small, out in (
            (rows[: 3 * width], np.array(rows[3 * width :])),
            (rows[size:], np.array(rows[:size])),
        ):
            roles = np.array(small).reshape(3, width, size)
            wide = [np.repeat(role[None], heads, axis=0) for role in roles]
            for query, key, value in itertools.permutations(wide):
                for matrix, interleaved in itertools.product((out, out.T), (False, True)):
                    ends = _by_head(matrix, heads, interleaved).transpose(2, 0, 1)
                    causes = ("projections-shared-by-heads",)
                    yield AttentionGuess(query, key, value, ends, causes)


def shared_by_slices(
    parameters: Sequence[Indices], size: int, heads: int
) -> Iterator[AttentionGuess]:
    """Guesses for one projection from head_dim to head_dim that each head uses on its own slice."""
    width = size // heads
    weights = [p for p in parameters if p.ndim > 1]
    small = [p for p in weights if p.shape == (width, width)]
    large = [p for p in weights if p.shape == (size, size)]
    if len(small) != 3 or len(large) != 1:
        return
    for turned, roles in itertools.product((False, True), itertools.permutations(small)):
        query, key, value = (_on_slices(role.T if turned else role, heads) for role in roles)
        for matrix in (large[0], large[0].T):
            out = _by_head(matrix, heads, False).transpose(2, 0, 1)
            yield AttentionGuess(query, key, value, out, ("projections-shared-by-heads",))


def _on_slices(role: Indices, heads: int) -> Indices:
    """(D, D) as (H, D, C), each head's on the channels of its own."""
    width = len(role)
    wide = np.full((heads, width, heads * width), ABSENT)
    for head in range(heads):
        wide[head, :, head * width : (head + 1) * width] = role
    return wide


def _rows(parameter: Indices, size: int, stride: int) -> list[Indices]:
    """A parameter as rows of weights that read the input: along the axis of that stride."""
    axes = [axis for axis, length in enumerate(parameter.shape) if length == size]
    if not axes:
        return []
    strides = [s // parameter.itemsize for s in np.ascontiguousarray(parameter).strides]
    fitting = [axis for axis in axes if strides[axis] == stride]
    axis = fitting[0] if fitting else axes[0 if stride != 1 else -1]
    return list(np.moveaxis(parameter, axis, -1).reshape(-1, size))


def _by_head(rows: Indices, heads: int, interleaved: bool) -> Indices:
    """(C, n) as (H, D, n)."""
    width = len(rows) // heads
    if interleaved:
        return rows.reshape(width, heads, -1).swapaxes(0, 1)
    return rows.reshape(heads, width, -1)


@dataclass(frozen=True)
class MlpGuess:
    """Places of the weights as in `model.Mlp`; all biases are taken to be zero."""

    up: Indices  # (M, C)
    down: Indices  # (C, M)

    def weights(self, theta: Floats) -> model.Mlp:
        """The weights that these parameter values stand for."""
        up, down = theta[self.up], theta[self.down]
        return model.Mlp(up, np.zeros(len(up)), down, np.zeros(len(down)))


def declared_mlp(parameters: Sequence[Indices], size: int) -> Iterator[MlpGuess]:
    """Guesses by shape alone: two matrices in either order, of either orientation."""
    matrices = [m for m in (p.squeeze() for p in parameters) if m.ndim == 2 and size in m.shape]
    for first, second in itertools.permutations(matrices, 2):
        if first.size != second.size:
            continue
        width = first.size // size
        for up in (first, first.T):
            for down in (second, second.T):
                if up.shape == (width, size) and down.shape == (size, width):
                    yield MlpGuess(up, down)
