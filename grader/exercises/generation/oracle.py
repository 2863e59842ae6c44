"""Generation in NumPy: scripted models, greedy decoding, and what may be drawn how often.

Written from the brief, apart from the reference. Top-p ("nucleus") sampling: Holtzman et al. 2019,
arXiv:1904.09751.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]
DECAY = 0.6  # how much of what came before a scripted model remembers, from token to token


@dataclass(frozen=True)
class Script:
    """A model with known logits, which depend on every token of its context and on their places.

    embed: (V, D); places: (block_size, D); head: (D, V); bias: (V,).
    """

    embed: Floats
    places: Floats
    head: Floats
    bias: Floats

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """As they go to the worker."""
        return self.embed, self.places, self.head, self.bias

    def logits(self, idx: Tokens) -> Floats:
        """(B, T) -> (B, T, V), T at most block_size."""
        x = self.embed[idx] + self.places[: idx.shape[1]]
        state = np.zeros_like(x[:, 0])
        states = []
        for t in range(idx.shape[1]):
            state = DECAY * state + x[:, t]
            states.append(state)
        return np.tanh(np.stack(states, 1)) @ self.head + self.bias


Choice = Callable[[Floats], Tokens]  # logits (B, T, V) of a context -> (B,)
Crop = Callable[[Tokens, int], Tokens]


def last(logits: Floats) -> Tokens:
    """The most probable token after the last position."""
    return logits[:, -1].argmax(-1)


def crop_last(idx: Tokens, block_size: int) -> Tokens:
    """The last block_size tokens."""
    return idx[:, -block_size:]


def greedy(
    script: Script,
    idx: Tokens,
    max_new_tokens: int,
    block_size: int,
    eos: int | None = None,
    choose: Choice = last,
    crop: Crop = crop_last,
) -> Tokens:
    """(B, T) -> (B, T + n): the most probable token again and again."""
    done = np.zeros(len(idx), dtype=bool)
    for _ in range(max_new_tokens):
        chosen = choose(script.logits(crop(idx, block_size)))
        if eos is not None:
            chosen = np.where(done, eos, chosen)
            done = done | (chosen == eos)
        idx = np.concatenate([idx, chosen[:, None]], axis=1)
        if done.all():
            break
    return idx


def margin(script: Script, idx: Tokens, path: Tokens, block_size: int) -> float:
    """By how much the most probable token led at least, along a path that begins with idx."""
    leads = []
    for end in range(idx.shape[1], path.shape[1]):
        logits = np.sort(script.logits(crop_last(path[:, :end], block_size))[:, -1], -1)
        leads.append((logits[:, -1] - logits[:, -2]).min())
    return float(min(leads, default=np.inf))


def softmax(logits: Floats) -> Floats:
    """Probabilities of the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def distribution(
    logits: Floats, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Floats:
    """Probabilities (V,) with which each token is drawn. Of ties the first ones are kept."""
    p = softmax(logits / temperature)
    order = np.argsort(-p, kind="stable")
    if top_k is not None:
        p[order[top_k:]] = 0.0
        p /= p.sum()
    if top_p is not None:
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= top_p - 1e-12]] = 0.0
        p /= p.sum()
    return p
