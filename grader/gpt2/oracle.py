"""GPT-2 in float64, function by function.

Shapes: B batch, T time, C embed_dim, H heads, D head_dim, M hidden width of the MLP, V
vocabulary. Sources: Radford et al. 2019 (GPT-2); Vaswani et al. 2017 (attention); Ba et al. 2016
(LayerNorm); Hendrycks and Gimpel 2016 (GELU and its tanh approximation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Activation = Callable[[Floats], Floats]

_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True)
class Attention:
    """Weights of one attention. A missing bias is zeros; key biases never matter.

    query, key, value: (H, D, C); their biases: (H, D); out: (C, H, D); out_bias: (C,).
    """

    query: Floats
    key: Floats
    value: Floats
    out: Floats
    query_bias: Floats
    key_bias: Floats
    value_bias: Floats
    out_bias: Floats


@dataclass(frozen=True)
class Mlp:
    """Weights of one MLP: up (M, C), up_bias (M,), down (C, M), down_bias (C,)."""

    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats


@dataclass(frozen=True)
class Norm:
    """A LayerNorm: weight and bias (C,), and eps, inside the root or added to the deviation."""

    weight: Floats
    bias: Floats
    eps: float = 1e-5
    eps_outside: bool = False


@dataclass(frozen=True)
class Block:
    """Weights of one block, in the order of use."""

    attention_norm: Norm
    attention: Attention
    mlp_norm: Norm
    mlp: Mlp


@dataclass(frozen=True)
class Gpt2:
    """Weights of a model: tokens (V, C), positions (block_size, C), head (V, C), bias (V,)."""

    tokens: Floats
    positions: Floats
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


GELUS: dict[str, Activation] = {"exact": gelu_exact, "tanh": gelu_tanh}


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


def attention(x: Floats, weights: Attention) -> Floats:
    """Causal multi-head self-attention: x (B, T, C) -> (B, T, C)."""
    length = x.shape[1]
    head_dim = weights.query.shape[1]
    query = np.einsum("btc,hdc->bhtd", x, weights.query) + weights.query_bias[None, :, None]
    key = np.einsum("btc,hdc->bhtd", x, weights.key) + weights.key_bias[None, :, None]
    value = np.einsum("btc,hdc->bhtd", x, weights.value) + weights.value_bias[None, :, None]
    scores = query @ key.swapaxes(-1, -2) / math.sqrt(head_dim)
    future = np.triu(np.ones((length, length), dtype=bool), 1)
    mixed = softmax(np.where(future, -np.inf, scores)) @ value  # (B, H, T, D)
    return np.einsum("bhtd,chd->btc", mixed, weights.out) + weights.out_bias


def mlp(x: Floats, weights: Mlp, gelu: Activation) -> Floats:
    """Position-wise: x (..., C) -> (..., C)."""
    hidden = gelu(x @ weights.up.T + weights.up_bias)
    return hidden @ weights.down.T + weights.down_bias


def block(x: Floats, weights: Block, gelu: Activation) -> Floats:
    """Pre-norm residual block: x (B, T, C) -> (B, T, C)."""
    x = x + attention(layer_norm(x, weights.attention_norm), weights.attention)
    return x + mlp(layer_norm(x, weights.mlp_norm), weights.mlp, gelu)


def gpt2(idx: Integers, weights: Gpt2, gelu: Activation) -> Floats:
    """idx (B, T) -> logits (B, T, V)."""
    x = weights.tokens[idx] + weights.positions[: idx.shape[1]]
    for layer in weights.blocks:
        x = block(x, layer, gelu)
    return layer_norm(x, weights.final_norm) @ weights.head.T + weights.head_bias
