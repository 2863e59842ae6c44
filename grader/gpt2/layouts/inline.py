"""The layout of a block that has its attention and MLP written into it, or into other modules."""

from __future__ import annotations

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.block import BlockLayout, fit_eps
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
)
from grader.gpt2.layouts.heads import find_attention
from grader.gpt2.layouts.mlp import find_mlp
from grader.gpt2.layouts.norm import NormLayout
from grader.gpt2.specification import GPT2, Specification

_STEP = 1e-3
_SPREAD = 30.0  # of a stream in which no eps shows that is small


def inline_block(
    box: ParameterProbe, embed_dim: int, rng: np.random.Generator, asked: Specification = GPT2
) -> BlockLayout:
    """The layout of a pre-norm block, from its parameters alone. Raises LayoutNotFound.

    With one branch dead the other stands alone, and its norm, given the right weight and bias,
    feeds it whatever input is wanted.
    """
    if not asked.plain_block:
        raise LayoutNotFound("a block in one piece is read so where its norms come first")
    x = rng.normal(0.0, 1.0, (2, 2, embed_dim))
    theta = box.draw(rng)
    ends = branch_ends(box, theta, x)
    without_mlp = _zeroed(theta, ends["mlp"])
    without_attention = _zeroed(theta, ends["attention"])
    attention_side = np.setdiff1d(_felt(box, without_mlp, x), ends["mlp"])
    mlp_side = np.setdiff1d(_felt(box, without_attention, x), ends["attention"])

    first = _norm(box, without_mlp, np.setdiff1d(attention_side, ends["attention"]), embed_dim, rng)
    second = _norm(box, without_attention, np.setdiff1d(mlp_side, ends["mlp"]), embed_dim, rng)
    branches = (
        _Branch(box, first, attention_side, ends["mlp"]),
        _Branch(box, second, mlp_side, ends["attention"]),
    )
    attention = find_attention(branches[0], embed_dim, rng, asked)
    feed = find_mlp(branches[1], embed_dim, rng, asked)
    layout = BlockLayout(
        norms=(first, second),
        attend=attention.compute,
        feed=feed.compute,
        attention=attention,
        mlp=feed,
        asked=asked,
    )
    fitted = fit_eps(layout, box, rng, embed_dim)
    drawn = box.draw(rng)
    if difference(fitted.compute(drawn, x), box.call(drawn, x)) > SAME:
        raise LayoutNotFound("the block's parts are those of GPT-2, but not what it makes of them")
    return fitted


def branch_ends(box: ParameterProbe, theta: Floats, x: Floats) -> dict[str, Indices]:
    """The last layers of a pre-norm block's branches, by what they reach.

    What reaches one output channel only is the end of the MLP; with that at zero, the same holds
    for the end of the attention.
    """
    mlp = _ends(box, theta, x, box.indices)
    without_mlp = _zeroed(theta, mlp)
    rest = np.setdiff1d(box.indices, mlp)
    return {"mlp": mlp, "attention": _ends(box, without_mlp, x, rest)}


def _felt(box: ParameterProbe, theta: Floats, x: Floats) -> Indices:
    """Elements that change the output."""
    effect = box.sweep(theta, x, box.indices) - box.call(theta, x)
    felt: Indices = box.indices[np.abs(effect).max((1, 2, 3)) > NOTHING]
    return felt


def _zeroed(theta: Floats, indices: Indices) -> Floats:
    changed = theta.copy()
    changed[indices] = 0.0
    return changed


def _ends(box: ParameterProbe, theta: Floats, x: Floats, candidates: Indices) -> Indices:
    """Elements that reach exactly one channel of the output, as a last layer's do."""
    effect = box.sweep(theta, x, candidates) - box.call(theta, x)
    channels = (np.abs(effect).max((1, 2)) > NOTHING).sum(1)
    return candidates[channels == 1]


def _norm(
    box: ParameterProbe, theta: Floats, side: Indices, size: int, rng: np.random.Generator
) -> NormLayout:
    """Which elements of one branch are its norm's weight and bias.

    A weight of the norm acts on one channel of the normalised input, and so does nothing to an
    input that is at its mean there; what it does is along a direction of its own, while a linear
    layer's weights come in groups that push along the same one.
    """
    if not side.size:
        raise LayoutNotFound("one of the block's two branches has no norm, or does nothing")
    x = np.array([_centred(size, channel, rng) for channel in range(size + 3)])[:, None]
    # A small step, so that what an activation makes of it is nearly linear.
    effect = (box.sweep(theta, x, side, _STEP) - box.call(theta, x))[:, :, 0] / _STEP
    magnitude = np.abs(effect).max(2)  # (n, samples)
    active = magnitude.max(1) > SAME * magnitude.max()
    silent = magnitude <= SAME * magnitude.max(1, keepdims=True)
    side, effect, silent = side[active], effect[active], silent[active]
    lonely = np.flatnonzero(_directions_of_their_own(effect) < size)
    weight = np.full(size, ABSENT, dtype=np.intp)
    bias = weight.copy()
    for number in lonely:
        if silent[number, :size].sum() == 1:
            weight[silent[number, :size].argmax()] = number
    if (weight == ABSENT).any():
        raise LayoutNotFound("no norm with a weight for every channel was found in the block")
    for number in np.setdiff1d(lonely, weight):
        # The bias pushes as the weight does, without the factor of the normalised input.
        cosines = [_cosine(effect[number], effect[partner]) for partner in weight]
        bias[int(np.argmax(cosines))] = number
    if (bias == ABSENT).any():
        raise LayoutNotFound("no norm with a bias for every channel was found in the block")
    return NormLayout(side[weight], side[bias])


def _centred(size: int, without: int, rng: np.random.Generator) -> Floats:
    """A vector of mean zero whose channels are all away from zero, except `without`."""
    while True:
        x = away_from_zero(rng, size)
        x[without:][:1] = 0.0
        x[x != 0.0] -= x[x != 0.0].mean()
        if (np.abs(x) > 0.1).sum() == size - (without < size):
            return x


def _directions_of_their_own(effect: Floats) -> Indices:
    """For each element, how many push in the direction of its strongest push: (n,)"""
    strongest = np.abs(effect).max(2).argmax(1)
    direction = effect[np.arange(len(effect)), strongest]
    largest = np.abs(direction).argmax(1)
    direction = direction / direction[np.arange(len(direction)), largest][:, None]
    count = np.zeros(len(effect), dtype=np.intp)
    for group in groups(direction):
        count[group] = len(group)
    return count


def _cosine(first: Floats, second: Floats) -> float:
    """How parallel the pushes of two elements are, over the samples where both push: 0 … 1."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    usable = lengths > SAME * lengths.max()
    dots = np.abs((first[usable] * second[usable]).sum(1))
    return float((dots / lengths[usable]).mean())


class _Branch:
    """One branch of a block as a function of its own normalised input.

    For one or two positions there is a weight and a bias of the norm under which the branch
    receives exactly the wanted input, whatever the block itself is given.
    """

    def __init__(self, box: ParameterProbe, norm: NormLayout, side: Indices, dead: Indices) -> None:
        self.box = box
        self.norm = norm
        self.dead = dead
        own = np.concatenate([norm.weight, norm.bias])
        self.indices = np.setdiff1d(side, own)
        size = norm.weight.size
        rng = np.random.default_rng(size)
        self.stream = rng.normal(0.0, _SPREAD, (1, 2, size))

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        return self.box.draw(rng, scale)

    def call(self, theta: Floats, x: Floats) -> Floats:
        return np.concatenate(
            [
                self.box.call(self._fed(theta, row), self._stream(row)) - self._stream(row)
                for row in x
            ]
        )

    def steady(self, theta: Floats, x: Floats) -> bool:
        return all(self.box.steady(self._fed(theta, row), self._stream(row)) for row in x)

    def sweep(self, theta: Floats, x: Floats, indices: Indices, step: float = 1.0) -> Floats:
        answers = [
            self.box.sweep(self._fed(theta, row), self._stream(row), indices, step)
            - self._stream(row)
            for row in x
        ]
        return np.concatenate(answers, axis=1)

    def _stream(self, row: Floats) -> Floats:
        return self.stream[:, : len(row)]

    def _fed(self, theta: Floats, row: Floats) -> Floats:
        """theta with the other branch dead and a norm that turns the stream into `row`."""
        unit = model.Norm(np.ones(row.shape[1]), np.zeros(row.shape[1]))
        normed = model.layer_norm(self.stream[0, : len(row)], unit)
        weight = np.zeros(row.shape[1])
        if len(row) == 2:
            weight = (row[0] - row[1]) / (normed[0] - normed[1])
        fed = _zeroed(theta, self.dead)
        fed[self.norm.weight] = weight
        fed[self.norm.bias] = row[0] - weight * normed[0]
        return fed
