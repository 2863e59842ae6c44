"""Which parameter elements are an attention's query, key, value and output weights."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    ParameterProbe,
    away_from_zero,
    groups,
    in_order,
    lookup,
    moved,
    total,
)
from grader.gpt2.layouts.values import Units, find_units
from grader.gpt2.specification import GPT2, Specification

_QUERIES = 4  # random query vectors on which score weights are told apart


def _no_gains() -> Indices:
    return np.zeros((0, 1, 1), dtype=np.intp)


@dataclass(frozen=True)
class AttentionLayout:
    """Places of the weights in the flat parameter vector, shaped as in `model.Attention`.

    scale: what a query-key product is multiplied by, as measured; slopes: by how much a score of
    each head is lower one position away, as measured; key_bias: where key biases matter; eps: of
    normed queries and keys; asked: what it is to be; score_gains, value_gains: factors of each
    channel's part of a score, and of its value, (n, H, D), ABSENT for one.
    """

    query: Indices
    key: Indices
    value: Indices
    out: Indices
    query_bias: Indices
    value_bias: Indices
    out_bias: Indices
    scale: float
    slopes: tuple[float, ...] = ()
    key_bias: Indices | None = None
    eps: float = 1e-6
    asked: Specification = GPT2
    score_gains: Indices = field(default_factory=_no_gains)
    value_gains: Indices = field(default_factory=_no_gains)

    def weights(self, theta: Floats) -> model.Attention:
        """The weights that these parameter values stand for. Key biases cancel in the softmax,
        unless keys are normed.
        """
        none = np.full(self.query_bias.shape, ABSENT)
        score, value = (_product(theta, g) for g in (self.score_gains, self.value_gains))
        return model.Attention(
            query=theta[self.query] * score[..., None],
            key=theta[self.key],
            value=theta[self.value] * value[..., None],
            out=theta[self.out],
            query_bias=lookup(theta, self.query_bias) * score,
            key_bias=lookup(theta, none if self.key_bias is None else self.key_bias),
            value_bias=lookup(theta, self.value_bias) * value,
            out_bias=total(theta, self.out_bias),
            eps=self.eps,
        )

    def compute(self, theta: Floats, x: Floats) -> Floats:
        """What the attention that is asked for gives with these weights."""
        return model.attention(x, self.weights(theta), self.asked)

    def measured(self, theta: Floats) -> model.Attention:
        """The same, with queries under which right attention has the scale that was measured."""
        weights = self.weights(theta)
        if self.asked.qk_norm:
            return weights  # where no factor of the queries makes a difference
        factor = self.scale * math.sqrt(weights.query.shape[1])
        return replace(
            weights, query=weights.query * factor, query_bias=weights.query_bias * factor
        )

    def inside(self, places: Indices) -> AttentionLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(
            self,
            query=moved(self.query, places),
            key=moved(self.key, places),
            value=moved(self.value, places),
            out=moved(self.out, places),
            query_bias=moved(self.query_bias, places),
            value_bias=moved(self.value_bias, places),
            out_bias=moved(self.out_bias, places),
            key_bias=None if self.key_bias is None else moved(self.key_bias, places),
            score_gains=moved(self.score_gains, places),
            value_gains=moved(self.value_gains, places),
        )

    def regrouped(self, heads: int) -> AttentionLayout:
        """The same weights with their channels split among another number of heads."""
        split = heads, -1
        channels = len(self.out)
        score, value = (
            np.array([each.reshape(split) for each in gains], dtype=np.intp)
            for gains in (self.score_gains, self.value_gains)
        )
        return replace(
            self,
            query=self.query.reshape(*split, channels),
            key=self.key.reshape(*split, channels),
            value=self.value.reshape(*split, channels),
            out=self.out.reshape(channels, *split),
            query_bias=self.query_bias.reshape(split),
            value_bias=self.value_bias.reshape(split),
            score_gains=score,
            value_gains=value,
        )

    @property
    def scale_is_right(self) -> bool:
        """Whether the scale is 1/√head_dim."""
        head_dim = self.query.shape[1]
        return abs(self.scale * math.sqrt(head_dim) - 1.0) < SAME

    @property
    def key_heads(self) -> int:
        """Number of heads of keys and values."""
        pairs = zip(self.key, self.value, strict=True)
        return len({(key.tobytes(), value.tobytes()) for key, value in pairs})

    @property
    def shares_as_asked(self) -> bool:
        """Whether as many heads share their keys and values as is asked."""
        counts = Counter(key.tobytes() for key in self.key).values()
        most = {"each": 1, "pairs": min(2, self.heads), "one": self.heads}[self.asked.keys]
        return self.key_heads == self.asked.key_heads(self.heads) and max(counts) == most

    @property
    def slopes_are_right(self) -> bool:
        """Whether scores fall with the distance as is asked; where they were not measured, which
        equality shows.
        """
        wanted = model.slopes(self.heads) if self.asked.positions == "alibi" else 0.0
        return not self.slopes or bool(np.allclose(self.slopes, wanted, atol=SAME))

    @property
    def is_asked(self) -> bool:
        """Whether nothing that was measured is other than asked."""
        return self.scale_is_right and self.shares_as_asked and self.slopes_are_right

    @property
    def causes(self) -> tuple[str, ...]:
        """Slugs of what is shared and should not be: nothing, where all was found apart."""
        return ()

    @property
    def heads(self) -> int:
        """Number of heads."""
        return int(self.query.shape[0])


def _product(theta: Floats, gains: Indices) -> Floats:
    """Of all factors of each channel."""
    return np.where(gains == ABSENT, 1.0, theta[gains]).prod(0)


def find_plain_attention(
    box: ParameterProbe, embed_dim: int, rng: np.random.Generator, asked: Specification = GPT2
) -> AttentionLayout:
    """The layout of an attention over embed_dim channels whose heads have queries and keys of their
    own, which alone make the scores. Raises LayoutNotFound if it has none.
    """
    units = find_units(box, embed_dim, rng)
    return replace(_find_scores(box, embed_dim, units, rng), asked=asked)


@dataclass(frozen=True)
class _Score:
    """What one weight does to the scores of a head."""

    element: int
    units: tuple[int, ...]  # the value channels that its head mixes
    profile: Floats  # (queries, C): change of score difference, by query and changed coordinate


def _find_scores(
    box: ParameterProbe, size: int, units: Units, rng: np.random.Generator
) -> AttentionLayout:
    """Open a window on the attention weights of each unit, and watch the score weights act.

    With two tokens x1 = x2 + e_b, the logit of the last row's weight on x1 is
    scale * sum_j q_j(x2) * key[j, b]: one-hot in b for a key weight, proportional to x2[a] for a
    query weight.
    """
    theta = box.draw(rng)
    window = away_from_zero(rng, size)
    theta[units.value] = window
    theta[units.out] = np.eye(size)
    for bias in (units.value_bias, units.out_bias):
        theta[bias[bias != ABSENT]] = 0.0
    last = away_from_zero(rng, (_QUERIES, size))
    x = np.repeat(last, size, axis=0)[:, None].repeat(2, axis=1)  # (queries * C, 2, C)
    x[:, 0] += np.tile(np.eye(size), (_QUERIES, 1))

    def logits(y: Floats) -> Floats:
        """(…, queries * C, 2, C) -> (…, units, queries, C)"""
        share = (y[..., 1, :] - (x[:, 1] @ window)[:, None]) / np.tile(window, _QUERIES)[:, None]
        if not ((share > 0) & (share < 1)).all():
            raise LayoutNotFound(
                "the last position does not average over the two positions it can see"
            )
        score = np.log(share) - np.log1p(-share)
        return score.swapaxes(-1, -2).reshape(*share.shape[:-2], size, _QUERIES, size)

    effect = logits(box.sweep(theta, x, units.silent)) - logits(box.call(theta, x))
    tolerance = NOTHING * max(float(np.abs(effect).max(initial=0.0)), NOTHING)
    scores = [
        _Score(int(element), tuple(np.flatnonzero(np.abs(e).max((1, 2)) > tolerance)), e)
        for element, e in zip(units.silent, effect, strict=True)
    ]
    active = [_one_profile(score) for score in scores if score.units]
    keys = [s for s in active if (np.abs(s.profile).max(0) > tolerance).sum() == 1]
    queries = [s for s in active if (np.abs(s.profile).max(0) > tolerance).sum() != 1]
    return _assemble(theta, last, size, units, _key_rows(keys, size), _query_rows(queries, last))


def _one_profile(score: _Score) -> _Score:
    profile = score.profile[list(score.units)]
    if np.abs(profile - profile[0]).max() > SAME * np.abs(profile).max():
        raise LayoutNotFound("a weight changes the scores of one head in several ways")
    return _Score(score.element, score.units, profile[0])


def _key_rows(keys: list[_Score], size: int) -> list[tuple[tuple[int, ...], Indices]]:
    """Groups of key weights with the same head and query: (units, elements by coordinate)."""
    rows = []
    for units in dict.fromkeys(key.units for key in keys):
        mine = [key for key in keys if key.units == units]
        for group in groups(np.array([key.profile.sum(1) for key in mine])):
            members = np.array([mine[g].element for g in group])
            places = np.array([np.abs(mine[g].profile).max(0).argmax() for g in group])
            rows.append((units, in_order(members, places, size, "key")))
    return rows


def _query_rows(
    queries: list[_Score], last: Floats
) -> list[tuple[tuple[int, ...], Floats, Indices, int]]:
    """Groups of query weights: (units, push by coordinate of the key, elements, bias)."""
    found: list[tuple[tuple[int, ...], Floats, int, int]] = []
    size = last.shape[1]
    inputs = np.concatenate([last, np.ones((len(last), 1))], axis=1)  # the bias reads a one
    for query in queries:
        ratios = query.profile[:, None] / inputs[:, :, None]  # (queries, C + 1, C)
        spread = np.abs(ratios - ratios.mean(0)).max((0, 2)) / np.abs(ratios).max((0, 2))
        place = int(spread.argmin())
        if spread[place] > SAME:
            raise LayoutNotFound("a weight acts on the scores neither as a query nor as a key")
        found.append((query.units, ratios[:, place].mean(0), place, query.element))
    rows = []
    for units in dict.fromkeys(entry[0] for entry in found):
        mine = [entry for entry in found if entry[0] == units]
        for group in groups(np.array([entry[1] for entry in mine])):
            weights = [mine[g] for g in group if mine[g][2] < size]
            biases = [mine[g][3] for g in group if mine[g][2] == size]
            elements = np.array([entry[3] for entry in weights], dtype=np.intp)
            places = np.array([entry[2] for entry in weights], dtype=np.intp)
            ordered = in_order(elements, places, size, "query")
            rows.append((units, mine[group[0]][1], ordered, biases[0] if biases else ABSENT))
    return rows


def _assemble(
    theta: Floats,
    last: Floats,
    size: int,
    units: Units,
    keys: list[tuple[tuple[int, ...], Indices]],
    queries: list[tuple[tuple[int, ...], Floats, Indices, int]],
) -> AttentionLayout:
    """Pair each query with its key, measure the scale, and put heads together."""
    if len(keys) != size or len(queries) != size:
        raise LayoutNotFound(
            f"expected {size} query and {size} key channels, found {len(queries)} and {len(keys)}"
        )
    heads = list(dict.fromkeys(key[0] for key in keys))
    head_dim = len(heads[0])
    if sorted(unit for head in heads for unit in head) != list(range(size)):
        raise LayoutNotFound("the heads overlap, or leave out some of the value channels")
    paired: dict[tuple[int, ...], list[tuple[Indices, Indices, int]]] = {h: [] for h in heads}
    scales = []
    for head, push, query, bias in queries:
        matching = []
        for other, key in keys:
            ratio = push / theta[key]
            if other == head and np.ptp(ratio) <= SAME * np.abs(ratio).max():
                matching.append((key, float(ratio.mean())))
        if len(matching) != 1:
            raise LayoutNotFound("a query channel meets no key channel, or more than one")
        paired[head].append((query, matching[0][0], bias))
        scales.append(matching[0][1])
    if any(len(pairs) != head_dim or len(head) != head_dim for head, pairs in paired.items()):
        raise LayoutNotFound("the heads are not all of the same width")
    if np.ptp(scales) > SAME * np.abs(scales).max():
        raise LayoutNotFound("the products of queries and keys are scaled in several ways")
    order = np.array(heads)  # (H, D)
    return AttentionLayout(
        query=np.array([[pair[0] for pair in paired[head]] for head in heads]),
        key=np.array([[pair[1] for pair in paired[head]] for head in heads]),
        value=units.value[order],
        out=units.out[:, order],
        query_bias=np.array([[pair[2] for pair in paired[head]] for head in heads]),
        value_bias=units.value_bias[order],
        out_bias=units.out_bias,
        scale=float(np.mean(scales)),
    )
