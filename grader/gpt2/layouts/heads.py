"""The layout of an attention whose heads may share keys and values, whose queries and keys may be
normed, and whose scores may hang on the distance.

Nothing is taken for granted of the scores but that they are made of rows of queries and of keys,
which read the two tokens: what an element reads, and of which token, shows where that is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2.layouts.attention import AttentionLayout, find_plain_attention
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    ParameterProbe,
    away_from_zero,
    difference,
    groups,
    in_order,
)
from grader.gpt2.layouts.values import ask_alone, bias_of_rows
from grader.gpt2.norms import closest_eps
from grader.gpt2.specification import GPT2, Specification

# Pairs of tokens of which each has all channels alike. The last one has a one, so that a bias of
# queries does what a weight does; to keys that is another thing.
_LEVELS = ((0.4, 1.0), (1.0, -0.7), (-0.9, 0.5), (-0.6, 1.0))
_ATTEMPTS = 3  # one may be led astray by its random numbers
_BESIDE = 3  # pairs of tokens that both have a one in channel 0
_Units = frozenset[int]


@dataclass(frozen=True)
class _Values:
    """The value path: for each of the H·D units the row of values that it mixes."""

    rows: Indices  # (units, C); units of heads that share values have the same
    biases: Indices  # (units,)
    out: Indices  # (C, units)
    out_bias: Indices
    silent: Indices


@dataclass(frozen=True)
class _Weight:
    """An element of queries or keys: the channel that it reads, what it does to pairs of level
    tokens and to those with a one, and the units it is felt by.
    """

    element: int
    channel: int
    level: Floats
    beside: Floats
    units: _Units


@dataclass(frozen=True)
class _Row:
    """A row of queries, or of keys."""

    elements: Indices  # (C,)
    bias: int
    units: _Units


def find_attention(
    box: ParameterProbe, embed_dim: int, rng: np.random.Generator, asked: Specification = GPT2
) -> AttentionLayout:
    """The layout of an attention over embed_dim channels. Raises LayoutNotFound if it has none."""
    find = find_plain_attention if asked.plain_scores else find_heads
    return find(box, embed_dim, rng, asked)


def find_heads(
    box: ParameterProbe, size: int, rng: np.random.Generator, asked: Specification
) -> AttentionLayout:
    """The layout of an attention over `size` channels. Raises LayoutNotFound if it has none."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            scores = _Scores(box, size, _find_values(box, size, rng), rng)
            layout = scores.layout(asked)
            break
        except LayoutNotFound:
            if not left:
                raise
    return _with_eps(layout, box, size, rng) if asked.qk_norm else layout


def _find_values(box: ParameterProbe, size: int, rng: np.random.Generator) -> _Values:
    """With two tokens, what an output weight picks up tells heads apart that share values."""
    alone = ask_alone(box, size, rng)
    theta, outs = alone.theta, alone.outs
    if not outs.size or not alone.rows:
        raise LayoutNotFound("with a single token, no weight acts as a value or an output weight")
    x = rng.normal(0.0, 1.0, (6, 2, size))
    change = (box.sweep(theta, x, box.indices[outs]) - box.call(theta, x))[:, :, 1]  # (n, 6, C)
    channels = np.abs(change).max(1).argmax(1)
    picked = change[np.arange(len(outs)), :, channels]
    units = [in_order(outs[g], channels[g], size, "output") for g in groups(picked)]
    if len(units) != size:
        raise LayoutNotFound(f"expected {size} output channels, found {len(units)}")
    columns, rows = np.array(units), np.array(alone.rows)  # (units, C); (rows, C)
    read = alone.linear[columns].sum(3)[:, 0]  # (units, C): the values that a unit mixes
    distance = np.abs(read[:, None] - theta[box.indices[rows]][None]).max(-1)
    number = distance.argmin(1)
    if distance.min(1).max() > SAME or set(number.tolist()) != set(range(len(rows))):
        raise LayoutNotFound("the value and output weights do not belong together")
    return _Values(
        rows=box.indices[rows][number],
        biases=bias_of_rows(box, alone)[number],
        out=box.indices[columns].T,
        out_bias=alone.out_bias,
        silent=alone.silent,
    )


class _Scores:
    """Asks what each element does to the weights that two tokens get, in every unit."""

    def __init__(
        self, box: ParameterProbe, size: int, values: _Values, rng: np.random.Generator
    ) -> None:
        self.box, self.size, self.values, self.rng = box, size, values, rng
        theta = box.draw(rng)
        self.window = away_from_zero(rng, size)
        theta[values.rows] = self.window
        theta[values.out] = np.eye(size)
        for bias in (values.biases, values.out_bias):
            theta[bias[bias != ABSENT]] = 0.0
        self.theta = theta

    def layout(self, asked: Specification) -> AttentionLayout:
        """The layout. Raises LayoutNotFound."""
        queries, keys = self._rows()
        heads = list(dict.fromkeys(row.units for row in queries))
        if not heads or sorted(u for head in heads for u in head) != list(range(self.size)):
            raise LayoutNotFound("the heads overlap, or leave out some of the value channels")
        width = len(heads[0])
        asking = [[row for row in queries if row.units == head] for head in heads]
        answering = [[row for row in keys if row.units >= head] for head in heads]
        counts = {len(rows) for rows in (*asking, *answering, *heads)}
        if counts != {width}:
            raise LayoutNotFound("the heads are not all of the same width")
        slopes = -self._products(heads, (), ())
        products = np.array(
            [
                [
                    self._products(heads, [rows[i] for rows in asking], [r[j] for r in answering])
                    for j in range(width)
                ]
                for i in range(width)
            ]
        )  # (D, D, H)
        products = np.moveaxis(products, -1, 0) + slopes[:, None, None]
        met = np.abs(products) > SAME * np.abs(products).max()
        if not (met.sum(1) == 1).all() or not (met.sum(2) == 1).all():
            raise LayoutNotFound("a query channel meets no key channel, or more than one")
        scales = products[met]
        if np.ptp(scales) > SAME * np.abs(scales).max():
            raise LayoutNotFound("the products of queries and keys are scaled in several ways")
        partner = met.argmax(2)  # (H, D): of each query channel its key channel
        order = np.argsort(-slopes, kind="stable")
        units = np.array([self._units(heads[h]) for h in order])
        # By their keys, which heads may share.
        pairs = [
            sorted(
                ((asking[h][i], answering[h][j]) for i, j in enumerate(partner[h])),
                key=lambda pair: int(pair[1].elements.min()),
            )
            for h in order
        ]
        rows, others = ([[pair[n] for pair in head] for head in pairs] for n in (0, 1))
        factor = width if asked.qk_norm else 1  # of channels of which one alone is not zero
        return AttentionLayout(
            query=np.array([[row.elements for row in head] for head in rows]),
            key=np.array([[row.elements for row in head] for head in others]),
            value=self.values.rows[units],
            out=self.values.out[:, units],
            query_bias=np.array([[row.bias for row in head] for head in rows]),
            key_bias=np.array([[row.bias for row in head] for head in others]),
            value_bias=self.values.biases[units],
            out_bias=self.values.out_bias,
            scale=float(np.mean(scales)) / factor,
            slopes=tuple(slopes[order].tolist()),
            asked=asked,
        )

    def _units(self, head: _Units) -> list[int]:
        """The units of a head in the order of their rows of values, which heads may share."""
        return sorted(head, key=lambda unit: self.values.rows[unit].min())

    def _logits(self, y: Floats, x: Floats) -> Floats:
        """(…, R, 2, C) -> (…, units, R): the logit of the first token's weight at the second."""
        seen = x @ self.window  # (R, 2)
        share = (y[..., 1, :] - seen[:, 1:]) / (seen[:, :1] - seen[:, 1:])
        if not ((share > 0) & (share < 1)).all():
            raise LayoutNotFound(
                "the last position does not average over the two positions it can see"
            )
        score: Floats = np.log(share) - np.log1p(-share)
        return score.swapaxes(-1, -2)

    def _rows(self) -> tuple[list[_Row], list[_Row]]:
        """The rows of queries and those of keys."""
        x = self._pairs()
        members, size = self.values.silent, self.size
        plain = self._logits(self.box.call(self.theta, x), x)
        effect = self._logits(self.box.sweep(self.theta, x, members), x) - plain  # (n, units, R)
        felt = np.abs(effect) > NOTHING * max(float(np.abs(effect).max(initial=0.0)), NOTHING)
        queries: list[_Weight] = []
        keys: list[_Weight] = []
        biases: list[tuple[int, Floats]] = []
        for element, change, where in zip(members.tolist(), effect, felt, strict=True):
            if not where.any():
                continue  # a bias of keys, which the softmax takes off
            beside = change[:, -_BESIDE:].ravel()
            idle = np.flatnonzero(~where[:, :size].any(0))  # where neither token has the channel
            if idle.size > 1:
                raise LayoutNotFound("a weight acts on the scores neither as a query nor as a key")
            if not idle.size:
                biases.append((element, beside))
                continue
            channel = int(idle[0])
            units = frozenset(np.flatnonzero(where.any(1)).tolist())
            level = change[:, 2 * size : 2 * size + len(_LEVELS)].ravel()
            weight = _Weight(element, channel, level, beside, units)
            # A query reads the last token alone.
            (keys if where[:, size + channel].any() else queries).append(weight)
        return self._grouped(queries, biases), self._grouped(keys, biases)

    def _pairs(self) -> Floats:
        """Pairs of tokens: without each channel in both and in the last one, then with all
        channels alike, then with a one in channel 0.
        """
        size, rng = self.size, self.rng
        both, last = (away_from_zero(rng, (size, 2, size)) for _ in range(2))
        for channel in range(size):
            both[channel, :, channel] = 0.0
            last[channel, 1, channel] = 0.0
        beside = away_from_zero(rng, (_BESIDE, 2, size))
        beside[:, :, 0] = 1.0
        x = np.concatenate([both, last, np.array(_LEVELS)[..., None] * np.ones(size), beside])
        apart = np.abs((x[:, 0] - x[:, 1]) @ self.window)
        if apart[: 2 * size].min() > 0.05 and apart[-_BESIDE:].min() > 0.05:
            return x
        return self._pairs()

    def _grouped(
        self, weights: Sequence[_Weight], biases: Sequence[tuple[int, Floats]]
    ) -> list[_Row]:
        """Weights of one row do the same where all channels are alike, and what the row's bias does
        where theirs is one.
        """
        rows = []
        for units in dict.fromkeys(weight.units for weight in weights):
            mine = [weight for weight in weights if weight.units == units]
            for group in groups(np.array([weight.level for weight in mine])):
                row = [mine[g] for g in group]
                elements = in_order(
                    np.array([weight.element for weight in row], dtype=np.intp),
                    np.array([weight.channel for weight in row], dtype=np.intp),
                    self.size,
                    "queries and keys",
                )
                first = next(weight.beside for weight in row if weight.channel == 0)
                alike = SAME * np.abs(first).max()
                fitting = [b for b, change in biases if np.abs(change - first).max() <= alike]
                rows.append(_Row(elements, fitting[0] if fitting else ABSENT, units))
        return rows

    def _products(
        self, heads: Sequence[_Units], asking: Sequence[_Row], answering: Sequence[_Row]
    ) -> Floats:
        """(H,): logits where these channels of queries and keys are one, and all others zero."""
        theta = self.theta.copy()
        theta[self.values.silent] = 0.0
        second = 0.5 if abs(self.window[1] - self.window[0]) < 0.1 else 1.0
        x = np.zeros((1, 2, self.size))
        x[0, 0, 1], x[0, 1, 0] = 1.0, second
        for row in asking:
            theta[row.elements[0]] = 1.0 / second
        for row in answering:
            theta[row.elements[1]] = 1.0
        logits = self._logits(self.box.call(theta, x), x)[:, 0]
        return np.array([logits[min(head)] for head in heads])


def _with_eps(
    layout: AttentionLayout, box: ParameterProbe, size: int, rng: np.random.Generator
) -> AttentionLayout:
    """The same with the eps that explains what is made of small queries and keys."""
    theta = box.draw(rng)
    for weights in (layout.query, layout.key):
        theta[weights] = 1e-2 * box.draw(rng)[weights]
    for biases in (layout.query_bias, layout.key_bias):
        if biases is not None:
            theta[biases[biases != ABSENT]] = 0.0
    x = rng.normal(0.0, 1.0, (4, 2, size))
    wanted = box.call(theta, x)
    eps, _ = closest_eps(
        lambda eps: (
            math.inf
            if eps[1]
            else difference(replace(layout, eps=eps[0]).compute(theta, x), wanted)
        )
    )
    return replace(layout, eps=eps)
