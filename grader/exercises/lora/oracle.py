"""What an adapter computes, right and wrong, and a toy model around some, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_EPS = 1e-5  # of nn.LayerNorm
HEAD = "head"
SECOND = ("layers.1.up", "output")  # other paths of the layers at "layers.0.up" and "head"


@dataclass(frozen=True)
class Adapter:
    """The update of one layer: A (r, in_features), B (out_features, r), and alpha."""

    A: Floats
    B: Floats
    alpha: float

    @property
    def rank(self) -> int:
        """The r of its name."""
        return len(self.A)

    def update(self) -> Floats:
        """What is added to the layer's weight (out_features, in_features). Hu et al. 2021, 4.1."""
        return self.alpha / self.rank * (self.B @ self.A)


def layer(x: Floats, weight: Floats, bias: Floats | float, adapter: Adapter) -> Floats:
    """The output (..., out_features) of an adapted layer."""
    return x @ (weight + adapter.update()).T + bias


# By their bugs: what else somebody computes for the same.
Wrong = Callable[[Floats, Floats, Floats | float, Adapter], Floats]


def _scaled(scale: Callable[[float, int], float]) -> Wrong:
    def wrong(x: Floats, weight: Floats, bias: Floats | float, adapter: Adapter) -> Floats:
        update = scale(adapter.alpha, adapter.rank) * (adapter.B @ adapter.A)
        return x @ (weight + update).T + bias

    return wrong


WRONG: dict[str, tuple[Wrong, ...]] = {
    "lora-no-scale": (_scaled(lambda alpha, rank: 1.0),),
    "lora-scale-not-over-rank": (
        _scaled(lambda alpha, rank: alpha),
        _scaled(lambda alpha, rank: alpha / math.sqrt(rank)),
        _scaled(lambda alpha, rank: rank / alpha),
        _scaled(lambda alpha, rank: 1 / rank),
        _scaled(lambda alpha, rank: alpha * rank),
        _scaled(lambda alpha, rank: (alpha / rank) ** 2),
    ),
    "lora-update-subtracted": (_scaled(lambda alpha, rank: -alpha / rank),),
    "lora-update-ignored": (_scaled(lambda alpha, rank: 0.0),),
    "lora-layer-replaced": (
        lambda x, weight, bias, adapter: x @ adapter.update().T,
        lambda x, weight, bias, adapter: x @ adapter.update().T + bias,
    ),
    "lora-bias-lost": (lambda x, weight, bias, adapter: layer(x, weight, 0.0, adapter),),
    "lora-bias-scaled": (
        lambda x, weight, bias, adapter: layer(x, weight, 2 * bias, adapter),
        lambda x, weight, bias, adapter: layer(
            x, weight, (1 + adapter.alpha / adapter.rank) * bias, adapter
        ),
    ),
    "lora-update-not-linear": tuple(
        lambda x, weight, bias, adapter, bend=bend: (  # type: ignore[misc]  # bound as it is now
            x @ weight.T
            + bias
            + adapter.alpha / adapter.rank * (bend(x @ adapter.A.T) @ adapter.B.T)
        )
        for bend in (lambda z: np.maximum(z, 0.0), np.tanh, lambda z: z / (1 + np.exp(-z)))
    ),
}


@dataclass(frozen=True)
class Toy:
    """A language model without attention. C, H, V are all different, and no rank.

    embedding: (V, C); up: (H, C), up_bias: (H,), of both layers; down: (C, H) of each; head: (V, C)
    or None if it is the embedding. Its LayerNorms are as nn.LayerNorm makes them.
    """

    embedding: Floats
    up: Floats
    up_bias: Floats
    down: tuple[Floats, Floats]
    head: Floats | None

    @property
    def arrays(self) -> list[Floats]:
        """The weights, as the worker takes them."""
        head = self.embedding if self.head is None else self.head
        return [self.embedding, self.up, self.up_bias, *self.down, head]

    def layers(self) -> dict[str, Floats]:
        """The weight of each distinct linear layer, by its path."""
        down = {f"layers.{n}.down.1.0": weight for n, weight in enumerate(self.down)}
        head = self.embedding if self.head is None else self.head
        return {"layers.0.up": self.up, **down, HEAD: head}

    def logits(self, idx: NDArray[np.int64], adapters: Mapping[str, Adapter]) -> Floats:
        """(B, T) -> (B, T, V), with adapters by the paths of their layers."""
        weights = {
            path: weight + adapters[path].update() if path in adapters else weight
            for path, weight in self.layers().items()
        }
        x = self.embedding[idx]
        for n in range(len(self.down)):
            hidden = np.tanh(_normed(x) @ weights["layers.0.up"].T + self.up_bias)
            x = x + hidden @ weights[f"layers.{n}.down.1.0"].T
        return x @ weights[HEAD].T


def _normed(x: Floats) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + _EPS)


def toy(rng: np.random.Generator, tied: bool) -> Toy:
    """A toy model with drawn weights: C = 6, H = 10, V = 13."""
    channels, hidden, tokens = 6, 10, 13

    def draw(*shape: int) -> Floats:
        return rng.normal(0.0, 0.5, shape)

    return Toy(
        draw(tokens, channels),
        draw(hidden, channels),
        draw(hidden),
        (draw(channels, hidden), draw(channels, hidden)),
        None if tied else draw(tokens, channels),
    )
