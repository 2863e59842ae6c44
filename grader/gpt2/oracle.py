"""GPT-2 in float64, function by function, and what a specification asks in its place.

Shapes: B batch, T time, C embed_dim, H heads, D head_dim, M hidden width of the MLP, V
vocabulary. Sources: Radford et al. 2019 (GPT-2); Vaswani et al. 2017 (attention); Ba et al. 2016
(LayerNorm); Hendrycks and Gimpel 2016 (GELU and its tanh approximation). Of what GPT-2 has not:
Zhang and Sennrich 2019 (RMSNorm); Shazeer 2019 and 2020 (shared keys, SwiGLU); So et al. 2021
(squared ReLU); Press et al. 2022 (ALiBi); Henry et al. 2020 (normed queries and keys); Wang and
Komatsuzaki 2021 (parallel block).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.gpt2.specification import GPT2, Specification
from grader.gpt2.specification import Norm as NormKind

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Activation = Callable[[Floats], Floats]

_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True)
class Attention:
    """Weights of one attention. A missing bias is zeros; key biases matter to normed keys alone.

    query, key, value: (H, D, C); their biases: (H, D); out: (C, H, D); out_bias: (C,). Heads that
    share keys and values have the same ones. eps: under the root where these are normed.
    """

    query: Floats
    key: Floats
    value: Floats
    out: Floats
    query_bias: Floats
    key_bias: Floats
    value_bias: Floats
    out_bias: Floats
    eps: float = 1e-6


@dataclass(frozen=True)
class Mlp:
    """Weights of one MLP: up (M, C), up_bias (M,), down (C, M), down_bias (C,).

    gate (M, C), gate_bias (M,): of the half that the activation is for, in a gated one.
    """

    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats
    gate: Floats | None = None
    gate_bias: Floats | float = 0.0


@dataclass(frozen=True)
class Norm:
    """A LayerNorm: weight and bias (C,), and eps, inside the root or added to the deviation."""

    weight: Floats
    bias: Floats
    eps: float = 1e-5
    eps_outside: bool = False


@dataclass(frozen=True)
class Block:
    """Weights of one block, in the order of use; outer: of the norms behind the sublayers."""

    attention_norm: Norm
    attention: Attention
    mlp_norm: Norm
    mlp: Mlp
    outer: tuple[Norm, ...] = ()


@dataclass(frozen=True)
class Gpt2:
    """Weights of a model: tokens (V, C), positions (block_size, C), head (V, C), bias (V,)."""

    tokens: Floats
    positions: Floats | None
    blocks: Sequence[Block]
    final_norm: Norm
    head: Floats
    head_bias: Floats


def gelu_exact(z: Floats) -> Floats:
    """z·Φ(z), Φ the normal distribution function."""
    return z * 0.5 * (1.0 + np.asarray(_erf(z / math.sqrt(2.0)), dtype=np.float64))


def gelu_tanh(z: Floats) -> Floats:
    """The tanh approximation with which GPT-2 was trained."""
    return 0.5 * z * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))


def silu(z: Floats) -> Floats:
    """z·σ(z), written so that it does not overflow."""
    return z * 0.5 * (1.0 + np.tanh(0.5 * z))


def relu_squared(z: Floats) -> Floats:
    """The square of what is above zero."""
    return np.maximum(z, 0.0) ** 2


GELUS: dict[str, Activation] = {"exact": gelu_exact, "tanh": gelu_tanh}
# What an MLP may have for its activation; the usual one first.
ACTIVATIONS: dict[str, tuple[Activation, ...]] = {
    "gelu": tuple(GELUS.values()),
    "relu-squared": (relu_squared,),
    "swiglu": (silu,),
}


def softmax(scores: Floats) -> Floats:
    """Over the last axis; minus infinity gives exactly zero."""
    powers = scores - scores.max(-1, keepdims=True)
    np.exp(powers, out=powers)  # in place: those of a long sequence are many
    powers /= powers.sum(-1, keepdims=True)
    return powers


def layer_norm(x: Floats, norm: Norm) -> Floats:
    """x (..., C) centred and scaled over its last axis by the biased variance."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    deviation = np.sqrt(variance) + norm.eps if norm.eps_outside else np.sqrt(variance + norm.eps)
    return centred / deviation * norm.weight + norm.bias


def rms_norm(x: Floats, norm: Norm) -> Floats:
    """x (..., C) divided by the root of its mean square over its last axis, not centred."""
    square = (x**2).mean(-1, keepdims=True)
    root = np.sqrt(square) + norm.eps if norm.eps_outside else np.sqrt(square + norm.eps)
    return x / root * norm.weight + norm.bias


NORMS: dict[NormKind, Callable[[Floats, Norm], Floats]] = {"layer": layer_norm, "rms": rms_norm}


def slopes(heads: int) -> Floats:
    """ALiBi's: for head h of H, counted from 1, two to the power of -8h/H."""
    found: Floats = 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
    return found


def sinusoids(length: int, size: int) -> Floats:
    """(T, C): at position t and channel 2i or 2i + 1 the sine or cosine of t / 10000^(2i/C)."""
    channels = np.arange(size)
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * (channels // 2) / size)
    return np.where(channels % 2 == 0, np.sin(angles), np.cos(angles))


def capped(logits: Floats, cap: float) -> Floats:
    """Logits between -cap and cap; as they are where there is none."""
    return cap * np.tanh(logits / cap) if cap else logits


def hidden_positions(length: int, window: int = 0) -> NDArray[np.bool_]:
    """(T, T): what each position does not see: later ones, and those before its window."""
    every = np.ones((length, length), dtype=bool)
    later = np.triu(every, 1)
    return later | np.tril(every, -window) if window else later


def attention(x: Floats, weights: Attention, asked: Specification = GPT2) -> Floats:
    """Causal multi-head self-attention: x (B, T, C) -> (B, T, C)."""
    length = x.shape[1]
    heads, head_dim, _ = weights.query.shape
    query = np.einsum("btc,hdc->bhtd", x, weights.query) + weights.query_bias[None, :, None]
    key = np.einsum("btc,hdc->bhtd", x, weights.key) + weights.key_bias[None, :, None]
    value = np.einsum("btc,hdc->bhtd", x, weights.value) + weights.value_bias[None, :, None]
    if asked.qk_norm:
        unit = Norm(np.ones(head_dim), np.zeros(head_dim), weights.eps)
        query, key = rms_norm(query, unit), rms_norm(key, unit)
    scores = query @ key.swapaxes(-1, -2) / math.sqrt(head_dim)
    if asked.positions == "alibi":
        places = np.arange(length)
        scores -= slopes(heads)[:, None, None] * (places[:, None] - places)
    hidden = hidden_positions(length, asked.window)
    mixed = softmax(np.where(hidden, -np.inf, scores)) @ value  # (B, H, T, D)
    return np.einsum("bhtd,chd->btc", mixed, weights.out) + weights.out_bias


def mlp(x: Floats, weights: Mlp, activation: Activation) -> Floats:
    """Position-wise: x (..., C) -> (..., C)."""
    hidden = x @ weights.up.T + weights.up_bias
    if weights.gate is None:
        hidden = activation(hidden)
    else:
        hidden = activation(x @ weights.gate.T + weights.gate_bias) * hidden
    return hidden @ weights.down.T + weights.down_bias


def block(x: Floats, weights: Block, activation: Activation, asked: Specification = GPT2) -> Floats:
    """Residual block: x (B, T, C) -> (B, T, C)."""
    norm, one, two = NORMS[asked.norm], weights.attention_norm, weights.mlp_norm

    def attend(h: Floats) -> Floats:
        return attention(h, weights.attention, asked)

    def feed(h: Floats) -> Floats:
        return mlp(h, weights.mlp, activation)

    if asked.block == "parallel":
        return x + attend(norm(x, one)) + feed(norm(x, two))
    if asked.block == "post-norm":
        x = norm(x + attend(x), one)
        return norm(x + feed(x), two)
    if asked.block == "sandwich-norm":
        behind_attention, behind_mlp = weights.outer
        x = x + norm(attend(norm(x, one)), behind_attention)
        return x + norm(feed(norm(x, two)), behind_mlp)
    x = x + attend(norm(x, one))
    return x + feed(norm(x, two))


def gpt2(
    idx: Integers, weights: Gpt2, activation: Activation, asked: Specification = GPT2
) -> Floats:
    """idx (B, T) -> logits (B, T, V)."""
    x = weights.tokens[idx]
    if weights.positions is not None:
        x = x + weights.positions[: idx.shape[1]]
    elif asked.positions == "sinusoidal":
        x = x + sinusoids(*x.shape[1:])
    for layer in weights.blocks:
        x = block(x, layer, activation, asked)
    logits = NORMS[asked.norm](x, weights.final_norm) @ weights.head.T + weights.head_bias
    return capped(logits, asked.cap)
