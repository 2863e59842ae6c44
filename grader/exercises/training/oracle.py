"""Training in NumPy float64: a small model with its gradient, losses, AdamW, schedules, a step.

Written from the brief, apart from the reference. AdamW: Loshchilov and Hutter 2019,
arXiv:1711.05101. Clipping by the norm of all gradients: Pascanu et al. 2013, arXiv:1211.5063.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]
Flags = NDArray[np.bool_]
Pair = tuple[Tokens, Tokens]  # inputs and targets, each (B, T)
IGNORED = -100


@dataclass(frozen=True)
class ToyModel:
    """A language model: logits at each position from its token and the one before.

    embed: (V, C), which also gives the logits; places: (T, C), not trained; gain, bias: (C,);
    weight: (C, C); kernel: (2, C, C).
    """

    embed: Floats
    places: Floats
    gain: Floats
    weight: Floats
    bias: Floats
    kernel: Floats

    @property
    def arrays(self) -> tuple[Floats, ...]:
        """As they go to the worker."""
        return self.embed, self.places, self.gain, self.weight, self.bias, self.kernel

    @property
    def trained(self) -> tuple[Floats, ...]:
        """In the order in which gradients come."""
        return self.embed, self.gain, self.weight, self.bias, self.kernel

    def updated(self, trained: Sequence[Floats]) -> ToyModel:
        """The model with other values for what is trained."""
        embed, *others = trained
        return ToyModel(embed, self.places, *others)

    def logits(self, idx: Tokens) -> Floats:
        """(B, T) -> (B, T, V)."""
        return self._mixed(self._hidden(idx)) @ self.embed.T

    def _hidden(self, idx: Tokens) -> Floats:
        x = self.embed[idx] + self.places[: idx.shape[1]]
        return np.tanh((x * self.gain) @ self.weight.T + self.bias)

    def _mixed(self, h: Floats) -> Floats:
        before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], 1)
        return h @ self.kernel[0] + before @ self.kernel[1]

    def gradient(self, idx: Tokens, above: Floats) -> tuple[Floats, ...]:
        """Of sum(logits * above), with regard to what is trained."""
        x = self.embed[idx] + self.places[: idx.shape[1]]
        h = self._hidden(idx)
        before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], 1)
        dz = above @ self.embed  # (B, T, C)
        embed = np.einsum("btv,btc->vc", above, self._mixed(h))
        kernel = np.stack([np.einsum("bti,btj->ij", a, dz) for a in (h, before)])
        later = np.concatenate([dz[:, 1:], np.zeros_like(dz[:, :1])], 1)
        da = (dz @ self.kernel[0].T + later @ self.kernel[1].T) * (1 - h**2)
        weight = np.einsum("bti,btj->ij", da, x * self.gain)
        dx = da @ self.weight  # with regard to x * gain
        np.add.at(embed, idx, dx * self.gain)
        return embed, (dx * x).sum((0, 1)), weight, da.sum((0, 1)), kernel


def log_softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def losses(logits: Floats, targets: Tokens, ignored: int = IGNORED) -> tuple[Floats, Flags]:
    """The cross-entropy of each target in nats, NaN if it is no token, and which of them count."""
    counted = targets != ignored
    size = logits.shape[-1]
    chosen = np.where(counted, targets, 0)
    each = -np.take_along_axis(log_softmax(logits), chosen[..., None] % size, -1)[..., 0]
    return np.where((chosen >= 0) & (chosen < size), each, np.nan), counted


def mean_loss(logits: Floats, targets: Tokens, ignored: int = IGNORED) -> float:
    """Over the targets that count."""
    each, counted = losses(logits, targets, ignored)
    return float(each[counted].mean())


def loss_gradient(logits: Floats, targets: Tokens, ignored: int = IGNORED) -> Floats:
    """Of the sum of the losses that count, with regard to the logits."""
    counted = targets != ignored
    hot = np.eye(logits.shape[-1])[np.where(counted, targets, 0)]
    return (np.exp(log_softmax(logits)) - hot) * counted[..., None]


@dataclass(frozen=True)
class Share:
    """What one micro-batch adds: sums over the targets that count, and how many those are.

    rows, tokens: of the micro-batch, whether they count or not.
    """

    loss: float
    gradient: Floats
    count: int
    rows: int
    tokens: int


def share(model: ToyModel, pair: Pair) -> Share:
    """Of one micro-batch. Its gradient is that of all trained parameters laid end to end."""
    idx, targets = pair
    logits = model.logits(idx)
    each, counted = losses(logits, targets)
    gradient = flat(model.gradient(idx, loss_gradient(logits, targets)))
    return Share(float(each[counted].sum()), gradient, int(counted.sum()), len(idx), idx.size)


def flat(arrays: Sequence[Floats]) -> Floats:
    """Arrays laid end to end."""
    return np.concatenate([array.ravel() for array in arrays])


def cut(numbers: Floats, like: Sequence[Floats]) -> tuple[Floats, ...]:
    """The reverse: arrays of the shapes of others."""
    ends = np.cumsum([array.size for array in like])[:-1]
    parts = np.split(numbers, ends)
    return tuple(part.reshape(a.shape) for part, a in zip(parts, like, strict=True))


def mean_gradient(shares: Sequence[Share]) -> Floats:
    """Of the mean loss over all targets that count."""
    total = np.sum([each.gradient for each in shares], 0)
    return total / sum(each.count for each in shares)


def clipped(gradient: Floats, max_norm: float | None) -> Floats:
    """Scaled down to the norm, if it is above."""
    norm = float(np.linalg.norm(gradient))
    if max_norm is None or norm <= max_norm:
        return gradient
    return gradient * (max_norm / norm)


@dataclass(frozen=True)
class Adam:
    """How AdamW is set. decay: what share of the learning rate each number shrinks by; eps: beside
    the root of the averaged squares; inside: the same under that root.
    """

    betas: tuple[float, float]
    decay: Floats
    eps: float = 1e-8
    inside: float = 0.0
    corrected: bool = True  # for averages that begin at zero


def adamw(
    start: Floats,
    gradients: Sequence[Floats],
    rates: Sequence[float],
    how: Adam,
) -> Floats:
    """Parameters after each step: (steps, n)."""
    first, second = how.betas
    theta, m, v = start, np.zeros_like(start), np.zeros_like(start)
    seen = []
    for number, (g, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        m = first * m + (1 - first) * g
        v = second * v + (1 - second) * g**2
        lacking = (1 - first**number, 1 - second**number) if how.corrected else (1.0, 1.0)
        step = m / lacking[0] / (np.sqrt(v / lacking[1] + how.inside) + how.eps)
        theta = theta * (1 - rate * how.decay) - rate * step
        seen.append(theta)
    return np.stack(seen)


@dataclass(frozen=True)
class Schedule:
    """Of the learning rate."""

    top: float
    floor: float
    warmup: int
    total: int

    def at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.top * (step + 1) / self.warmup
        if step >= self.total:
            return self.floor
        progress = (step - self.warmup) / (self.total - self.warmup)
        return self.floor + (self.top - self.floor) * (1 + math.cos(math.pi * progress)) / 2
