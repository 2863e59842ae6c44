"""Which parameter elements are an MLP's two layers, and what its activation does."""

from __future__ import annotations

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

_MOST = 1000  # weights for each channel; each one is asked for


@dataclass(frozen=True)
class MlpLayout:
    """Places of the weights in the flat parameter vector, shaped as in `model.Mlp`.

    read, given: samples of the activation: for an input `read` it gave `given`.
    """

    up: Indices
    up_bias: Indices
    down: Indices
    down_bias: Indices
    read: Floats
    given: Floats

    def weights(self, theta: Floats) -> model.Mlp:
        """The weights that these parameter values stand for."""
        return model.Mlp(
            up=theta[self.up],
            up_bias=lookup(theta, self.up_bias),
            down=theta[self.down],
            down_bias=total(theta, self.down_bias),
        )

    def compute(self, theta: Floats, x: Floats) -> Floats:
        """What GPT-2's MLP gives with these weights, and with the GELU that the activation is."""
        return model.mlp(x, self.weights(theta), self.gelu or model.gelu_exact)

    def inside(self, places: Indices) -> MlpLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(
            self,
            up=moved(self.up, places),
            up_bias=moved(self.up_bias, places),
            down=moved(self.down, places),
            down_bias=moved(self.down_bias, places),
        )

    @property
    def gelu(self) -> model.Activation | None:
        """Which GELU the activation is; None if it is another function."""
        for function in model.GELUS.values():
            if np.abs(function(self.read) - self.given).max() < NOTHING:
                return function
        return None

    @property
    def width(self) -> int:
        """Number of hidden units."""
        return int(self.up.shape[0])


def find_mlp(box: ParameterProbe, embed_dim: int, rng: np.random.Generator) -> MlpLayout:
    """The layout of an MLP over embed_dim channels, of any width and activation.

    Raises LayoutNotFound if the answers are not down @ f(up @ x + up_bias) + down_bias.
    """
    size = embed_dim
    if box.indices.size > _MOST * size:
        raise LayoutNotFound(
            f"it has {box.indices.size} weights where 8 · embed_dim² and biases are needed"
        )
    theta = box.draw(rng)
    x = away_from_zero(rng, (2 * size + 3, 1, size)) * 0.8
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
    down = np.array(downs).T  # (C, width)
    up, up_bias = _first_layer(box, first_layer, effect, theta[down].T, tolerance)
    read = x[:, 0] @ theta[up].T + lookup(theta, up_bias)  # (samples, width)
    return MlpLayout(up, up_bias, down, down_bias, read.T.ravel(), np.array(given).ravel())


def _first_layer(
    box: ParameterProbe, members: Indices, effect: Floats, directions: Floats, tolerance: float
) -> tuple[Indices, Indices]:
    """Weights before the activation: each pushes the output along its unit's second layer.

    directions: (width, C). A weight [unit, a] does nothing to an input without coordinate a.
    """
    size = directions.shape[1]
    squared = (directions**2).sum(1)
    found: dict[int, list[tuple[int, int]]] = {unit: [] for unit in range(len(directions))}
    biases = np.full(len(directions), ABSENT, dtype=np.intp)
    for member in members:
        along = effect[member] @ directions.T / squared  # (samples, width)
        rest = np.abs(effect[member][:, None] - along[:, :, None] * directions).max((0, 2))
        unit = int(rest.argmin())
        if rest[unit] > SAME * np.abs(effect[member]).max():
            raise LayoutNotFound("a weight acts neither before nor after an activation")
        idle = np.abs(along[: 2 * size, unit]) <= tolerance
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
