"""A model's residual stream, fed through the token table and read through the head."""

from __future__ import annotations

import numpy as np

from grader.gpt2.layouts.box import Floats, Indices, LayoutNotFound, away_from_zero, lookup
from grader.gpt2.layouts.tables import Tables, WholeBox
from grader.gpt2.oracle import Integers

_SPREAD = 6.0  # of streams: an eps of up to 1e-3 is nothing beside their variance
_KEPT = (0, 1)  # channels that no branch writes to while the others are read
_WEIGHTS = 0.4

plain = lookup


class Stream:
    """What goes in is any stream, what comes out is the stream after the last block, normed.

    theta: parameters with which this is so: the head is the identity for the first C tokens, the
    final norm has no weights to speak of, and positions add nothing.
    """

    def __init__(self, box: WholeBox, tables: Tables, rng: np.random.Generator) -> None:
        self.box = box
        self.tables = tables
        self.size = tables.tokens.shape[1]
        theta = box.draw(rng, _WEIGHTS)
        theta[tables.positions] = 0.0
        theta[tables.norm.weight] = 1.0
        for bias in (tables.norm.bias, tables.head_bias):
            theta[bias[bias >= 0]] = 0.0
        theta[tables.head[: self.size]] = np.eye(self.size)
        self.theta = theta

    def normed(self, theta: Floats, x: Floats) -> Floats:
        """The normed stream (B, T, C) for streams x (B, T, C)."""
        fed, idx = self._fed(theta, x)
        return self.box.call(fed, idx)[..., : self.size]

    def normed_sweep(self, theta: Floats, x: Floats, indices: Indices) -> Floats:
        """The same with one element of theta after another raised by one: (n, B, T, C)."""
        fed, idx = self._fed(theta, x)
        return self.box.sweep(fed, idx, indices)[..., : self.size]

    def written(self, theta: Floats, x: Floats, normed: Floats) -> Floats:
        """What was added to the stream x, told from the normed stream that came of it: (…, C).

        Right where nothing was added to the first two channels.
        """
        a, b = _KEPT
        factor = (x[..., a] - x[..., b]) / (normed[..., a] - normed[..., b])
        y = factor[..., None] * (normed - normed[..., [a]]) + x[..., [a]]
        return y - x

    def pushed(self, x: Floats, normed: Floats, channel: int) -> Floats:
        """How much was added to one channel of x, where nothing was to the others: (…)."""
        others = [c for c in range(self.size) if c != channel]
        u, n = x[..., others], normed[..., others]
        centred = u - u.mean(-1, keepdims=True)
        known = n - n.mean(-1, keepdims=True)
        factor = (centred * known).sum(-1) / (known * known).sum(-1)
        y = factor * (normed[..., channel] - n.mean(-1)) + u.mean(-1)
        return y - x[..., channel]

    def readable(self, theta: Floats, last: Indices, columns: Indices) -> Floats:
        """theta under which the channels that are read hold these columns of a branch's last
        weights (C, units), and no others.
        """
        fed = theta.copy()
        fed[last] = 0.0
        fed[last[len(_KEPT) + np.arange(len(columns)), columns]] = 1.0
        return fed

    @property
    def together(self) -> int:
        """How many channels are read at once."""
        return self.size - len(_KEPT)

    def _fed(self, theta: Floats, x: Floats) -> tuple[Floats, Integers]:
        rows, size = x.shape[0] * x.shape[1], self.size
        if size + rows > len(self.tables.tokens):
            raise LayoutNotFound("the vocabulary is too small for the search")
        fed = theta.copy()
        fed[self.tables.tokens[size : size + rows]] = x.reshape(rows, size)
        return fed, (size + np.arange(rows)).reshape(x.shape[:2])


def streams(
    rng: np.random.Generator, shape: tuple[int, ...], size: int, without: int = -1
) -> Floats:
    """Streams (*shape, C) of mean zero, all channels away from zero but the one `without`."""
    found = np.zeros((int(np.prod(shape)), size))
    channels = np.array([c for c in range(size) if c != without])
    for row in found:
        while True:
            drawn = away_from_zero(rng, len(channels))
            drawn -= drawn.mean()
            apart = np.abs(np.subtract.outer(drawn, drawn))[np.triu_indices(len(drawn), 1)]
            if np.abs(drawn).min() > 0.1 and apart.min() > 0.05:
                break
        row[channels] = drawn
    return _SPREAD * found.reshape(*shape, size)


def normal(x: Floats) -> Floats:
    """Streams of mean zero as a norm without weights gives them."""
    return x / np.sqrt((x**2).mean(-1, keepdims=True))
