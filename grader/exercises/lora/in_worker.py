"""Layers and models that the grader brings, for the submission to put adapters around.

And an adapter, for where the submission's own is broken.
"""

from __future__ import annotations

import torch
from torch import nn


class Layer(nn.Module):
    """A residual branch: norm, up, tanh, down. `up` may be another layer's, too; down lies deep."""

    def __init__(self, up: nn.Linear, down: nn.Linear) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(up.in_features)
        self.up = up
        self.down = nn.Sequential(nn.Tanh(), nn.Sequential(down))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        hidden: torch.Tensor = self.down(self.up(self.norm(x)))
        return x + hidden


class Toy(nn.Module):
    """A small language model without attention: see `Toy` in the oracle of `lora`.

    weights: embedding (V, C); up (H, C) and its bias (H,), of both layers; down (C, H), of each;
    and the head's (V, C), unless it is tied to the embedding.
    """

    def __init__(self, weights: list[torch.Tensor], tied: bool) -> None:
        super().__init__()
        embedding, up_weight, up_bias, first, second, head = weights
        self.embed = nn.Embedding(*embedding.shape)
        self.embed.weight = nn.Parameter(embedding)
        up = linear(up_weight, up_bias)
        self.layers = nn.ModuleList([Layer(up, linear(first)), Layer(up, linear(second))])
        self.gain = nn.Parameter(torch.ones(embedding.shape[1]))
        self.head = linear(head)
        if tied:
            self.head.weight = self.embed.weight
        self.output = self.head  # a second name beside the first, which named_children() leaves out

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.embed(idx) * self.gain
        for layer in self.layers:
            x = layer(x)
        logits: torch.Tensor = self.output(x)
        return logits


def linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    """A layer with this weight and, if there is one, this bias."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer


def toy(weights: list[torch.Tensor], tied: bool) -> Toy:
    """A toy model with these weights."""
    model = Toy(weights, tied).to(weights[0].dtype)
    model.embed.eval()  # so that both model.train() and model.eval() change a mode
    return model


def layers(model: nn.Module, every: bool) -> dict[str, tuple[int, int]]:
    """The paths of the distinct (or of all) nn.Linear in a model, and the shape of each."""
    return {
        path: (module.out_features, module.in_features)
        for path, module in model.named_modules(remove_duplicate=not every)
        if isinstance(module, nn.Linear)
    }


class LoRALinear(nn.Module):
    """A frozen linear layer with a trained update of low rank beside it, as the brief has it."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        like = linear.weight  # for the device and the dtype
        self.A = nn.Parameter(like.new_empty(rank, linear.in_features).normal_())
        self.B = nn.Parameter(like.new_zeros(linear.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in_features) -> (..., out_features)."""
        output: torch.Tensor = self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)
        return output
