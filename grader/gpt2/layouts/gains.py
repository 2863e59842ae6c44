"""Learned factors inside an attention: of queries, keys, values, or what a head gives.

Whatever such a factor is, weights of the projection beside it could have it: an attention whose
values are multiplied by parameters, one for each channel, for each head or one for all, computes
what GPT-2's does. All at one, the projections are found as if there were none; then each factor
is raised alone, which tells of which channels it is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    ParameterProbe,
    difference,
)
from grader.gpt2.layouts.heads import find_attention
from grader.gpt2.specification import Specification

_PAIRS = 8  # of tokens
_RAISED = 1.7


class _Held:
    """The same attention with some parameters held at one."""

    def __init__(self, box: ParameterProbe, gains: Indices) -> None:
        self.box = box
        self.gains = gains
        self.indices = np.setdiff1d(box.indices, gains)

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        theta = self.box.draw(rng, scale)
        theta[self.gains] = 1.0
        return theta

    def call(self, theta: Floats, x: Floats) -> Floats:
        return self.box.call(theta, x)

    def steady(self, theta: Floats, x: Floats) -> bool:
        return self.box.steady(theta, x)

    def sweep(self, theta: Floats, x: Floats, indices: Indices, step: float = 1.0) -> Floats:
        return self.box.sweep(theta, x, indices, step)


def find_gained(
    box: ParameterProbe,
    small: Sequence[Indices],
    embed_dim: int,
    rng: np.random.Generator,
    asked: Specification,
) -> AttentionLayout:
    """The layout of an attention with factors among its small parameters. Raises LayoutNotFound."""
    x = rng.normal(0.0, 1.0, (_PAIRS, 2, embed_dim))
    theta = box.draw(rng)
    gains = [places for places in small if _is_gain(box, places, theta, x)]
    if not gains:
        raise LayoutNotFound("no parameter is a factor")
    held = _Held(box, np.concatenate(gains))
    layout = find_attention(held, embed_dim, rng, asked)
    theta = held.draw(rng)
    for element in held.gains:
        layout = _with_gain(box, layout, int(element), theta, x)
    theta = box.draw(rng)
    computed = _computed(layout, theta, x)
    if difference(computed, box.call(theta, x)) > SAME:
        raise LayoutNotFound("with its factors it is no attention")
    return layout


def _is_gain(box: ParameterProbe, places: Indices, theta: Floats, x: Floats) -> bool:
    """Whether with all of it at zero there is no value, or no score."""
    zeroed = theta.copy()
    zeroed[places] = 0.0
    first, last = (box.call(zeroed, x[:, t : t + 1])[:, 0] for t in (0, 1))
    both = box.call(zeroed, x)[:, 1]
    no_value = difference(first, last) < NOTHING
    plain = difference(box.call(theta, x)[:, 1], both) < NOTHING
    return no_value or (difference((first + last) / 2, both) < NOTHING and not plain)


def _with_gain(
    box: ParameterProbe, layout: AttentionLayout, element: int, theta: Floats, x: Floats
) -> AttentionLayout:
    """The layout with this element as a factor of what it is seen to multiply."""
    raised = theta.copy()
    raised[element] = _RAISED
    found = box.call(raised, x)
    choices = list(_choices(layout, element))
    apart = [difference(_computed(each, raised, x), found) for each in choices]
    if min(apart) > SAME:
        raise LayoutNotFound("a factor is one of no channels of the attention")
    return choices[int(np.argmin(apart))]


def _computed(layout: AttentionLayout, theta: Floats, x: Floats) -> Floats:
    """Whatever the scale is: a wrong one is its own check's to find."""
    return model.attention(x, layout.measured(theta), layout.asked)


def _choices(layout: AttentionLayout, element: int) -> Iterator[AttentionLayout]:
    heads, width = layout.value_bias.shape
    for chosen in _channels(heads, width):
        gain = np.where(chosen, element, ABSENT)
        yield replace(layout, score_gains=np.array([*layout.score_gains, gain]))
        yield replace(layout, value_gains=np.array([*layout.value_gains, gain]))


def _channels(heads: int, width: int) -> Iterator[np.ndarray]:
    """One channel, those of a head, the same of each head, all."""
    head, channel = np.indices((heads, width))
    for h in range(heads):
        for d in range(width):
            yield (head == h) & (channel == d)
    for h in range(heads):
        yield head == h
    for d in range(width):
        yield channel == d
    yield head >= 0
