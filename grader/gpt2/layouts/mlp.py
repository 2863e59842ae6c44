"""Which parameter elements are an MLP's two layers, and what its activation does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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
    by_channel,
    groups,
    in_order,
    lookup,
    moved,
    total,
)
from grader.gpt2.specification import GPT2, Specification

_MOST = 1000  # weights for each channel; each one is asked for


@dataclass(frozen=True)
class MlpLayout:
    """Places of the weights in the flat parameter vector, shaped as in `model.Mlp`.

    read, given: samples of the activation: for an input `read` it gave `given`; gate: of the half
    that it is for, in a gated one; asked: what the MLP is to be.
    """

    up: Indices
    up_bias: Indices
    down: Indices
    down_bias: Indices
    read: Floats
    given: Floats
    gate: Indices | None = None
    gate_bias: Indices | None = None
    asked: Specification = GPT2

    def weights(self, theta: Floats) -> model.Mlp:
        """The weights that these parameter values stand for."""
        return model.Mlp(
            up=theta[self.up],
            up_bias=lookup(theta, self.up_bias),
            down=theta[self.down],
            down_bias=total(theta, self.down_bias),
            gate=None if self.gate is None else theta[self.gate],
            gate_bias=0.0 if self.gate_bias is None else lookup(theta, self.gate_bias),
        )

    def compute(self, theta: Floats, x: Floats) -> Floats:
        """What the MLP that is asked for gives with these weights."""
        return model.mlp(x, self.weights(theta), self.activation or self.usual)

    def inside(self, places: Indices) -> MlpLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(
            self,
            up=moved(self.up, places),
            up_bias=moved(self.up_bias, places),
            down=moved(self.down, places),
            down_bias=moved(self.down_bias, places),
            gate=None if self.gate is None else moved(self.gate, places),
            gate_bias=None if self.gate_bias is None else moved(self.gate_bias, places),
        )

    @property
    def usual(self) -> model.Activation:
        """The activation that is asked for, in its usual form."""
        return model.ACTIVATIONS[self.asked.mlp][0]

    @property
    def activation(self) -> model.Activation | None:
        """Which one of those that are asked for it is; None if it is another function."""
        for function in model.ACTIVATIONS[self.asked.mlp]:
            if np.abs(function(self.read) - self.given).max() < NOTHING:
                return function
        return None

    @property
    def width(self) -> int:
        """Number of hidden units."""
        return int(self.up.shape[0])


def find_mlp(
    box: ParameterProbe, embed_dim: int, rng: np.random.Generator, asked: Specification = GPT2
) -> MlpLayout:
    """The layout of an MLP over embed_dim channels, of any width and activation.

    Raises LayoutNotFound if the answers are not down @ f(up @ x + up_bias) + down_bias, or of a
    gated one down @ (f(gate @ x + gate_bias) · (up @ x + up_bias)) + down_bias.
    """
    size = embed_dim
    if box.indices.size > _MOST * size:
        raise LayoutNotFound(
            f"it has {box.indices.size} weights where 8 · embed_dim² and biases are needed"
        )
    theta = box.draw(rng)
    x = away_from_zero(rng, (2 * size + 3, 1, size)) * 0.8
    if asked.mlp == "relu-squared":  # of which nothing is seen below zero
        theta, x = np.abs(theta), np.abs(x)
    for coordinate in range(size):  # two inputs that do not have it
        x[[coordinate, size + coordinate], 0, coordinate] = 0.0
    effect = (box.sweep(theta, x, box.indices) - box.call(theta, x))[:, :, 0]  # (n, samples, C)
    tolerance = NOTHING * max(float(np.abs(effect).max(initial=0.0)), NOTHING)
    channels: NDArray[np.bool_] = np.abs(effect).max(axis=1) > tolerance  # (n, C)
    last_layer = np.flatnonzero(channels.sum(1) == 1)
    first_layer = np.flatnonzero(channels.sum(1) > 1)

    profiles = effect[last_layer, :, channels[last_layer].argmax(1)]  # (last layer, samples)
    down_bias = by_channel(np.zeros(0, np.intp), np.zeros(0, np.intp), size)
    downs, given = [], []
    for group in groups(profiles):
        members, places = last_layer[group], channels[last_layer[group]].argmax(1)
        if np.abs(profiles[group] - 1.0).max() < NOTHING:
            down_bias = by_channel(places, box.indices[members], size)
        else:
            downs.append(in_order(box.indices[members], places, size, "second layer"))
            given.append(profiles[group[0]])
    if not downs:
        raise LayoutNotFound("no weight acts as one of a second linear layer")
    down, hidden = np.array(downs).T, np.array(given)  # (C, width); (width, samples)
    if asked.mlp == "swiglu":
        found = gated_layer(box, theta, x, first_layer, effect, down, tolerance)
        ahead = x[:, 0] @ theta[found.up].T + lookup(theta, found.up_bias)  # (samples, width)
        read = x[:, 0] @ theta[found.gate].T + lookup(theta, found.gate_bias)
        layers = {**vars(found), "down": down, "down_bias": down_bias}
        return MlpLayout(
            **layers, read=read.T.ravel(), given=(hidden / ahead.T).ravel(), asked=asked
        )
    up, up_bias = _first_layer(box, first_layer, effect, theta[down].T, tolerance)
    read = x[:, 0] @ theta[up].T + lookup(theta, up_bias)  # (samples, width)
    if asked.mlp == "relu-squared":
        below = box.sweep(theta, -x, down[0]) - box.call(theta, -x)
        read = np.concatenate([read, lookup(theta, up_bias) - x[:, 0] @ theta[up].T])
        hidden = np.concatenate([hidden, below[:, :, 0, 0]], axis=1)
    return MlpLayout(up, up_bias, down, down_bias, read.T.ravel(), hidden.ravel(), asked=asked)


def along_units(
    effect: Floats, members: Indices, directions: Floats
) -> Iterator[tuple[int, int, Floats]]:
    """For each member the unit along whose second layer it pushes, and how far: (samples,).

    directions: (width, C). Raises LayoutNotFound if it is another way.
    """
    squared = (directions**2).sum(1)
    for member in members.tolist():
        along = effect[member] @ directions.T / squared  # (samples, width)
        rest = np.abs(effect[member][:, None] - along[:, :, None] * directions).max((0, 2))
        unit = int(rest.argmin())
        if rest[unit] > SAME * np.abs(effect[member]).max():
            raise LayoutNotFound("a weight acts neither before nor after an activation")
        yield member, unit, along[:, unit]


def _first_layer(
    box: ParameterProbe, members: Indices, effect: Floats, directions: Floats, tolerance: float
) -> tuple[Indices, Indices]:
    """Weights before the activation: each pushes the output along its unit's second layer.

    directions: (width, C). A weight [unit, a] does nothing to an input without coordinate a.
    """
    size = directions.shape[1]
    found: dict[int, list[tuple[int, int]]] = {unit: [] for unit in range(len(directions))}
    biases = np.full(len(directions), ABSENT, dtype=np.intp)
    for member, unit, along in along_units(effect, members, directions):
        idle = np.abs(along[: 2 * size]) <= tolerance
        absent = idle[:size] & idle[size:]
        if absent.sum() == 1:
            found[unit].append((int(absent.argmax()), int(box.indices[member])))
        elif not absent.any():
            biases[unit] = box.indices[member]
        else:
            raise LayoutNotFound("a weight of the first layer reads no coordinate of the input")
    rows = []
    for entries in found.values():
        places = np.array([place for place, _ in entries], dtype=np.intp)
        elements = np.array([element for _, element in entries], dtype=np.intp)
        rows.append(in_order(elements, places, size, "first layer"))
    return np.array(rows), biases


@dataclass(frozen=True)
class GatedLayer:
    """The two first layers of a gated MLP: (width, C) each, and their biases (width,)."""

    gate: Indices
    gate_bias: Indices
    up: Indices
    up_bias: Indices


def gated_layer(
    box: ParameterProbe,
    theta: Floats,
    x: Floats,
    members: Indices,
    effect: Floats,
    down: Indices,
    tolerance: float,
) -> GatedLayer:
    """Which weights are the gate's and which are of the half that it multiplies.

    The output is linear in those of the latter: twice the step has twice the effect.
    """
    size, width = down.shape
    further = box.sweep(theta, x, box.indices[members], 2.0)[:, :, 0] - box.call(theta, x)[:, 0]
    bent = np.abs(further - 2.0 * effect[members]).max((1, 2)) > tolerance
    linear = dict(zip(members.tolist(), (~bent).tolist(), strict=True))
    places = {half: np.full((width, size), ABSENT, dtype=np.intp) for half in (True, False)}
    biases = {half: np.full(width, ABSENT, dtype=np.intp) for half in (True, False)}
    for member, unit, along in along_units(effect, members, theta[down].T):
        idle = np.abs(along[: 2 * size]) <= tolerance
        absent = np.flatnonzero(idle[:size] & idle[size:])
        if absent.size > 1:
            raise LayoutNotFound("a weight of the first layer reads no coordinate of the input")
        table = places[linear[member]][unit] if absent.size else biases[linear[member]]
        place = int(absent[0]) if absent.size else unit
        if table[place] != ABSENT:
            raise LayoutNotFound("two weights of the first layer are in one place")
        table[place] = box.indices[member]
    if any((table == ABSENT).any() for table in places.values()):
        raise LayoutNotFound("the gate, or what it multiplies, lacks weights")
    return GatedLayer(places[False], biases[False], places[True], biases[True])
