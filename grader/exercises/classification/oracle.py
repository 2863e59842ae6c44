"""Class logits in NumPy: hidden states from token logits, and what is a linear map of what.

Written from the brief, apart from the reference. Shapes: B batch, T time, C embed_dim, V
vocabulary, K classes. V is larger than C, so that logits tell the hidden states they come from.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.gpt2.layouts.box import NOTHING

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class TokenHead:
    """Where a GPT2 has its head for tokens: weight (V, C) and bias (V,), in flat parameters."""

    weight: Indices
    bias: Indices | None

    def hidden(self, theta: Floats, logits: Floats) -> Floats:
        """What went into the head: token logits (..., V) -> (..., C)."""
        bias = 0.0 if self.bias is None else theta[self.bias]
        return (logits - bias) @ np.linalg.pinv(theta[self.weight]).T


def find_token_head(
    parameters: Sequence[Indices], theta: Floats, logits: Floats, embed_dim: int
) -> TokenHead | None:
    """The head with which a GPT2 made these logits (N, V): a weight that spans them.

    parameters: the places of each one's elements, in its shape.
    """
    vocab = logits.shape[-1]
    scale = NOTHING * max(float(np.abs(logits).max()), NOTHING)
    tables = [rows for places in parameters for rows in _tables(places, vocab, embed_dim)]
    rows = [places.squeeze() for places in parameters if places.squeeze().shape == (vocab,)]
    biases: list[Indices | None] = [None, *rows]
    for weight, bias in itertools.product(tables, biases):
        found = TokenHead(weight, bias)
        again = found.hidden(theta, logits) @ theta[weight].T
        again = again if bias is None else again + theta[bias]
        if np.abs(again - logits).max() <= scale:
            return found
    return None


def _tables(places: Indices, vocab: int, embed_dim: int) -> Iterator[Indices]:
    """Every reading of a parameter as a (V, C), also where more rows lie in it."""
    squeezed = places.squeeze()
    if squeezed.ndim == 1 and squeezed.size % embed_dim == 0:
        squeezed = squeezed.reshape(-1, embed_dim)
    if squeezed.ndim != 2:
        return
    for table in (squeezed, squeezed.T):
        if table.shape[1] == embed_dim and len(table) >= vocab:
            yield table[:vocab]
            if len(table) > vocab:
                yield table[-vocab:]


def unexplained(features: Floats, outputs: Floats) -> float:
    """How much of outputs (N, K) is no affine map of features (N, D), of their size.

    Of more rows than D + 1, or anything is one.
    """
    ones = np.ones((len(features), 1))
    given = np.concatenate([features / max(float(np.abs(features).max()), NOTHING), ones], axis=1)
    fitted = given @ np.linalg.lstsq(given, outputs, rcond=None)[0]
    return float(np.abs(outputs - fitted).max() / max(float(np.abs(outputs).max()), NOTHING))


def cross_entropy(logits: Floats, labels: Tokens) -> float:
    """The mean over rows of (B, K), in nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities, over the last axis."""
    lowered = logits - logits.max(-1, keepdims=True)
    return lowered - np.log(np.exp(lowered).sum(-1, keepdims=True))


def loss_weights(logits: Floats, labels: Tokens) -> Floats:
    """The gradient of the mean cross-entropy with respect to the logits: (B, K)."""
    right = np.eye(logits.shape[1])[labels]
    return (np.exp(log_softmax(logits)) - right) / len(labels)


@dataclass(frozen=True)
class Batch:
    """A padded batch, and the hidden states that a backbone has for all of its columns.

    idx (B, T), lengths (B,), hidden (B, T, C), token_logits (B, T, V).
    """

    idx: Tokens
    lengths: Tokens
    hidden: Floats
    token_logits: Floats

    @property
    def last(self) -> Floats:
        """Hidden states at the last real tokens: (B, C)."""
        return at(self.hidden, self.lengths - 1)


def at(states: Floats, positions: Tokens) -> Floats:
    """(B, T, D) -> (B, D), at one position for each row."""
    return states[np.arange(len(states)), positions]
