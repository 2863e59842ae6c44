"""The logits that weights must give: GPT-2 in float64, one matrix at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F

from lab.weights.architecture import Architecture

Variables = Mapping[str, torch.Tensor]


@torch.no_grad()
def logits(
    variables: Variables, of: Architecture, idx: torch.Tensor, head: torch.Tensor | None = None
) -> torch.Tensor:
    """idx (B, T) -> (B, T, V), as the config of the weights says. head: (V, C), if it is untied."""

    def named(name: str) -> torch.Tensor:
        return variables[f"model/{name}"].double()

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = named(f"{name}/g"), named(f"{name}/b")
        return F.layer_norm(x, weight.shape, weight, bias, of.layer_norm_epsilon)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ named(f"{name}/w")[0] + named(f"{name}/b")

    wte = variables["model/wte"]
    x = wte[idx].double() + named("wpe")[: idx.shape[1]]  # (B, T, C)
    for layer in range(of.num_layers):
        qkv = linear(norm(x, f"h{layer}/ln_1"), f"h{layer}/attn/c_attn")
        x = x + linear(_attention(qkv, of, layer), f"h{layer}/attn/c_proj")
        hidden = linear(norm(x, f"h{layer}/ln_2"), f"h{layer}/mlp/c_fc")
        approximate = "none" if of.activation == "gelu" else "tanh"
        x = x + linear(F.gelu(hidden, approximate=approximate), f"h{layer}/mlp/c_proj")
    return norm(x, "ln_f") @ (wte if head is None else head).double().T


def _attention(qkv: torch.Tensor, of: Architecture, layer: int) -> torch.Tensor:
    """qkv (B, T, 3C) -> (B, T, C)"""
    shape = (*qkv.shape[:2], of.num_heads, -1)
    q, k, v = (t.view(shape).transpose(1, 2) for t in qkv.chunk(3, -1))  # (B, H, T, D)
    scale = 1 / math.sqrt(q.shape[-1]) if of.scaled else 1.0
    scale /= layer + 1 if of.scaled_by_layer else 1
    hidden = torch.full_like(q[0, 0] @ k[0, 0].mT, float("-inf")).triu(1)  # (T, T)
    weights = (q @ k.mT * scale + hidden).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)
