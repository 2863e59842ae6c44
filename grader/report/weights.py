"""What a named bug of attention does to the attention weights, to be shown as a picture."""

from __future__ import annotations

import numpy as np

from grader.gpt2.attention_forms import DEVIANT_ATTENTIONS, GPT2_ATTENTION
from grader.gpt2.oracle import Attention

_LENGTH, _HEADS, _WIDTH = 4, 2, 3  # positions, heads, channels of a head
_SEED = 1
Grid = list[list[float]]


def drawn_weights(cause: str) -> list[tuple[Grid, Grid]] | None:
    """For each head the weights of GPT-2 and those with the bug, for one drawn sequence.

    None for a bug that leaves the weights as they are, or has none of this form.
    """
    form = next((form for form in DEVIANT_ATTENTIONS if form.causes == (cause,)), None)
    if form is None:
        return None
    rng = np.random.default_rng(_SEED)
    x = rng.normal(0.0, 1.0, (1, _LENGTH, _HEADS * _WIDTH))
    drawn = _drawn(rng)
    expected = GPT2_ATTENTION.weights(x, drawn)
    with np.errstate(all="ignore"):
        actual = form.weights(x, drawn)
    if actual.shape != expected.shape or np.allclose(actual, expected):
        return None
    # What is no number, or below nothing, has no shade.
    shown = np.clip(np.nan_to_num(actual, nan=0.0), 0.0, 1.0)
    return [(expected[0, h].tolist(), shown[0, h].tolist()) for h in range(_HEADS)]


def _drawn(rng: np.random.Generator) -> Attention:
    size = _HEADS * _WIDTH

    def draw(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return rng.normal(0.0, 0.6, shape)

    return Attention(
        draw(_HEADS, _WIDTH, size),
        draw(_HEADS, _WIDTH, size),
        draw(_HEADS, _WIDTH, size),
        draw(size, _HEADS, _WIDTH),
        draw(_HEADS, _WIDTH),
        draw(_HEADS, _WIDTH),
        draw(_HEADS, _WIDTH),
        draw(size),
    )
