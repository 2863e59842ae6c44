"""A branch of a block as norm, linear layer, function and linear layer, for a single token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    groups,
    in_order,
    lookup,
)
from grader.gpt2.layouts.norm import NormLayout
from grader.gpt2.layouts.stream import Stream, normal, streams


@dataclass(frozen=True)
class Units:
    """Places of a branch's weights, and samples of its function: for `read` it gave `given`.

    For an attention, first are the values; silent: what does nothing to a single token.
    """

    norm: NormLayout
    first: Indices  # (units, C)
    first_bias: Indices  # (units,)
    last: Indices  # (C, units)
    last_bias: Indices  # (C,)
    silent: Indices
    read: Floats  # (units, samples)
    given: Floats

    @property
    def function(self) -> Callable[[Floats], Floats]:
        """The function between the layers, or one that is near it: for what is small."""
        for gelu in model.GELUS.values():
            if np.abs(gelu(self.read) - self.given).max() < NOTHING:
                return gelu
        return lambda z: z


def find_units(
    stream: Stream,
    base: Floats,
    ends: Indices,
    channels: Indices,
    inner: Indices,
    rng: np.random.Generator,
) -> Units:
    """The layout of the branch that has these ends, all branches being dead in `base`."""
    size = stream.size
    x = np.concatenate(
        [streams(rng, (2, 1), size, without=c) for c in range(size)] + [streams(rng, (3, 1), size)]
    )  # (2C + 3, 1, C): two without each channel, and three with all
    last, last_bias, given = _last_layer(stream, base, x, ends, channels)
    theta = base.copy()
    theta[last[2:]] = stream.theta[last[2:]]
    mixed = theta[last[2:]].T  # (units, C - 2): where each unit pushes

    unit, effect = _effects(stream, theta, x, inner, mixed)
    felt = np.abs(effect).max((1, 2)) > NOTHING
    everywhere = felt & (unit < 0)
    norm = inner[everywhere]
    idle = _idle(effect[everywhere], size)  # (norm, C)
    weights = idle.sum(1) == 1
    weight = in_order(norm[weights], idle[weights].argmax(1), size, "norm before a branch")
    shifts = norm[~weights]

    centred = theta.copy()
    centred[shifts] = 0.0  # now nothing is read of a channel that is zero
    own = inner[felt & ~everywhere]
    unit, effect = _effects(stream, centred, x, own, mixed)
    idle = _idle(effect, size)
    first_bias = np.full(len(mixed), ABSENT, dtype=np.intp)
    rows = []
    for number in range(len(mixed)):
        mine = unit == number
        reading = mine & (idle.sum(1) == 1)
        rows.append(in_order(own[reading], idle[reading].argmax(1), size, "first layer"))
        constant = own[mine & ~reading]
        if len(constant) > 1:
            raise LayoutNotFound("a unit of a branch has several biases")
        first_bias[number] = constant[0] if len(constant) else ABSENT
    first = np.array(rows)
    bias = _norm_bias(stream, centred, x, shifts, first)
    layout = NormLayout(weight, bias)
    seen = layout.norm(theta)
    u = normal(x[:, 0]) * seen.weight + seen.bias
    read = u @ theta[first].T + lookup(theta, first_bias)
    return Units(layout, first, first_bias, last, last_bias, inner[~felt], read.T, given)


def _last_layer(
    stream: Stream, base: Floats, x: Floats, ends: Indices, channels: Indices
) -> tuple[Indices, Indices, Floats]:
    """Weights (C, units), biases (C,), and what each unit gives: (units, samples).

    With all ends at zero but one, which is one, the stream gets what its unit gives.
    """
    size = stream.size
    normed = stream.normed_sweep(base, x, ends)[:, :, 0]  # (n, samples, C)
    profiles = np.array(
        [stream.pushed(x[:, 0], n, int(c)) for n, c in zip(normed, channels, strict=True)]
    )
    bias = np.full(size, ABSENT, dtype=np.intp)
    columns, given = [], []
    for group in groups(profiles):
        if np.abs(profiles[group] - 1.0).max() < SAME:
            bias[channels[group]] = ends[group]
            continue
        columns.append(in_order(ends[group], channels[group], size, "last layer of a branch"))
        given.append(profiles[group[0]])
    if not columns:
        raise LayoutNotFound("a branch has no last layer")
    return np.array(columns).T, bias, np.array(given)


def _effects(
    stream: Stream, theta: Floats, x: Floats, members: Indices, mixed: Floats
) -> tuple[Indices, Floats]:
    """For each element the only unit that it changes (else -1), and what it does to the channels
    that are read: (n, samples, C - 2).
    """
    before = stream.written(theta, x, stream.normed(theta, x))
    after = stream.written(theta, x[None], stream.normed_sweep(theta, x, members))
    effect = (after - before)[:, :, 0, 2:]
    squared = (mixed**2).sum(1)
    unit = np.full(len(members), -1, dtype=np.intp)
    for number, change in enumerate(effect):
        along = change @ mixed.T / squared  # (samples, units)
        left = np.abs(change[:, None] - along[..., None] * mixed).max((0, 2))
        if left.min() <= SAME * np.abs(change).max():
            unit[number] = left.argmin()
    return unit, effect


def _idle(effect: Floats, size: int) -> np.ndarray:
    """(n, C): whether an element does nothing to the two streams that are without a channel."""
    return np.abs(effect[:, : 2 * size]).max(2).reshape(-1, size, 2).max(2) <= NOTHING


def _norm_bias(
    stream: Stream, theta: Floats, x: Floats, shifts: Indices, first: Indices
) -> Indices:
    """Which element is the norm's bias of each channel: the one that is not felt when nobody reads
    that channel.
    """
    bias = np.full(stream.size, ABSENT, dtype=np.intp)
    if not shifts.size:
        return bias
    for channel in range(stream.size):
        deaf = theta.copy()
        deaf[first[:, channel]] = 0.0
        change = stream.normed_sweep(deaf, x, shifts) - stream.normed(deaf, x)
        unfelt = np.abs(change).max((1, 2, 3)) <= NOTHING
        if unfelt.sum() > 1:
            raise LayoutNotFound("a norm before a branch has several biases for one channel")
        if unfelt.any():
            bias[channel] = shifts[unfelt.argmax()]
    if (bias != ABSENT).sum() != len(shifts):
        raise LayoutNotFound("something before a branch acts neither as a norm nor as a layer")
    return bias
