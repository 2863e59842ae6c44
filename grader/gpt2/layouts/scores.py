"""Which elements are an attention's queries and keys, told from the weights that it gives to two
tokens, inside a whole model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    away_from_zero,
    groups,
    in_order,
)
from grader.gpt2.layouts.stream import Stream, normal, streams
from grader.gpt2.layouts.units import Units

_SHARED = 3  # second tokens, each with two first tokens
_UNFELT = 1e-4  # of the strongest effect: a softmax in float32 leaves less


@dataclass(frozen=True)
class _Row:
    """Elements that make one query or key channel. profile: what it does to the scores, without
    what each element reads.
    """

    units: tuple[int, ...]  # the value channels that its head mixes
    elements: Indices  # (C,)
    bias: int
    profile: Floats


def find_scores(
    stream: Stream, base: Floats, values: Units, rng: np.random.Generator
) -> AttentionLayout:
    """The layout of an attention of which the value path is known. Raises LayoutNotFound."""
    size = stream.size
    if values.first.shape != (size, size):
        raise LayoutNotFound(f"expected {size} value channels, found {len(values.first)}")
    x = _pairs(rng, size)  # (R, 2, C)
    u = normal(x)
    theta = _with_window(base, values, u, rng)
    effect = _logits(stream, theta, values, x, u, True) - _logits(stream, theta, values, x, u)
    apart = u[:, 0] - u[:, 1]  # (R, C)
    keys, queries = _rows(values.silent, effect, u[:, 1], apart, size)
    return _assemble(theta, values, keys, queries, apart[2 * size :], size)


def _pairs(rng: np.random.Generator, size: int) -> Floats:
    """Pairs of streams: two pairs without each channel, then second ones with two first ones each,
    in which no channel is alike.
    """
    without = [streams(rng, (2, 2), size, without=channel) for channel in range(size)]
    shared = []
    for _ in range(_SHARED):
        second = streams(rng, (1,), size)
        shared += [np.stack([_unlike(rng, second), second], 1) for _ in range(2)]
    return np.concatenate([*without, *shared])


def _unlike(rng: np.random.Generator, other: Floats) -> Floats:
    """A stream that, once normed, has no channel like the other's: (1, C)."""
    while True:
        found = streams(rng, (1,), other.shape[-1])
        if np.abs(normal(found) - normal(other)).min() > 0.2:
            return found


def _with_window(base: Floats, values: Units, u: Floats, rng: np.random.Generator) -> Floats:
    """All value channels read the same of a token, and nothing comes before but the plain norm."""
    theta = base.copy()
    theta[values.norm.weight] = 1.0
    for bias in (values.norm.bias, values.first_bias):
        theta[bias[bias != ABSENT]] = 0.0
    windows = [away_from_zero(rng, u.shape[-1]) for _ in range(40)]
    theta[values.first] = max(windows, key=lambda w: np.abs((u[:, 0] - u[:, 1]) @ w).min())
    return theta


def _logits(
    stream: Stream, theta: Floats, values: Units, x: Floats, u: Floats, sweep: bool = False
) -> Floats:
    """The logit of the second token's weight on the first one: ([n,] units, R)."""
    seen = u @ theta[values.first[0]]  # (R, 2)
    found = []
    for start in range(0, stream.size, stream.together):
        columns = np.arange(start, min(start + stream.together, stream.size))
        open_ = stream.readable(theta, values.last, columns)
        normed = (
            stream.normed_sweep(open_, x, values.silent) if sweep else stream.normed(open_, x)[None]
        )
        given = stream.written(open_, x[None], normed)[..., 1, 2 : 2 + len(columns)]  # (n, R, k)
        share = (given - seen[:, 1:]) / (seen[:, :1] - seen[:, 1:])
        if not ((share > 0) & (share < 1)).all():
            raise LayoutNotFound(
                "the last position does not average over the two positions it can see"
            )
        found.append(np.moveaxis(np.log(share) - np.log1p(-share), -1, 1))
    return np.concatenate(found, axis=1)


def _rows(
    members: Indices, effect: Floats, second: Floats, apart: Floats, size: int
) -> tuple[list[_Row], list[_Row]]:
    """Rows of keys and rows of queries.

    A key weight [i, a] changes scores by q_i(second) · apart_a, a query weight by second_a · k_i,
    a query bias by k_i, where k_i hangs on both tokens.
    """
    keys: list[tuple[tuple[int, ...], int, int, Floats]] = []
    queries: list[tuple[tuple[int, ...], int, int, Floats]] = []
    for member, change in zip(members, effect, strict=True):
        units = tuple(np.flatnonzero(np.abs(change).max(1) > NOTHING).tolist())
        if not units:
            continue
        profile = change[list(units)]
        strength = np.abs(profile).max()
        if np.abs(profile - profile[0]).max() > SAME * strength:
            raise LayoutNotFound("a weight changes the scores of one head in several ways")
        without, full = profile[0, : 2 * size].reshape(size, 2), profile[0, 2 * size :]
        idle = np.abs(without).max(1) <= _UNFELT * strength
        if not idle.any():
            queries.append((units, size, int(member), full))
            continue
        if idle.sum() > 1:
            raise LayoutNotFound("a weight acts on the scores neither as a query nor as a key")
        place = int(idle.argmax())
        asked = (full / apart[2 * size :, place]).reshape(_SHARED, 2)
        apart_by = np.abs(asked[:, 0] - asked[:, 1])
        if (apart_by <= SAME * np.abs(asked).max(1) + NOTHING * np.abs(asked).max()).all():
            keys.append((units, place, int(member), asked[:, 0]))
        else:
            queries.append((units, place, int(member), full / second[2 * size :, place]))
    return _grouped(keys, size), _grouped(queries, size)


def _grouped(found: list[tuple[tuple[int, ...], int, int, Floats]], size: int) -> list[_Row]:
    rows = []
    for units in dict.fromkeys(entry[0] for entry in found):
        mine = [entry for entry in found if entry[0] == units]
        for group in groups(np.array([entry[3] for entry in mine])):
            reading = [mine[g] for g in group if mine[g][1] < size]
            biases = [mine[g][2] for g in group if mine[g][1] == size]
            elements = in_order(
                np.array([entry[2] for entry in reading], dtype=np.intp),
                np.array([entry[1] for entry in reading], dtype=np.intp),
                size,
                "queries and keys",
            )
            rows.append(_Row(units, elements, biases[0] if biases else ABSENT, mine[group[0]][3]))
    return rows


def _assemble(
    theta: Floats,
    values: Units,
    keys: list[_Row],
    queries: list[_Row],
    apart: Floats,
    size: int,
) -> AttentionLayout:
    """Pair each query with its key, measure the scale, and put heads together."""
    if len(keys) != size or len(queries) != size:
        raise LayoutNotFound(
            f"expected {size} query and {size} key channels, found {len(queries)} and {len(keys)}"
        )
    heads = list(dict.fromkeys(row.units for row in queries))
    width = len(heads[0])
    if sorted(unit for head in heads for unit in head) != list(range(size)):
        raise LayoutNotFound("the heads overlap, or leave out some of the value channels")
    pairs: dict[tuple[int, ...], list[tuple[_Row, _Row]]] = {head: [] for head in heads}
    scales = []
    for query in queries:
        fitting = []
        for key in keys:
            ratio = query.profile / (apart @ theta[key.elements])
            if key.units == query.units and np.ptp(ratio) <= SAME * np.abs(ratio).max():
                fitting.append((key, float(ratio.mean())))
        if len(fitting) != 1:
            raise LayoutNotFound("a query channel meets no key channel, or more than one")
        pairs[query.units].append((query, fitting[0][0]))
        scales.append(fitting[0][1])
    if any(len(rows) != width or len(head) != width for head, rows in pairs.items()):
        raise LayoutNotFound("the heads are not all of the same width")
    if np.ptp(scales) > SAME * np.abs(scales).max():
        raise LayoutNotFound("the products of queries and keys are scaled in several ways")
    order = np.array(heads)  # (H, D)
    return AttentionLayout(
        query=np.array([[query.elements for query, _ in pairs[head]] for head in heads]),
        key=np.array([[key.elements for _, key in pairs[head]] for head in heads]),
        value=values.first[order],
        out=values.last[:, order],
        query_bias=np.array([[query.bias for query, _ in pairs[head]] for head in heads]),
        value_bias=values.first_bias[order],
        out_bias=values.last_bias,
        scale=float(np.mean(scales)),
    )
