"""LoRA: low-rank adapters for the GPT2 of gpt2.py. The reference solution.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021. Shapes: r is the rank of an
adapter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn


class LoRALinear(nn.Module):
    """A frozen linear layer with a trained update of low rank beside it.

    linear: the layer, of any size, with or without bias. rank: r, from 1 up. alpha: the update is
    scaled by alpha / rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        like = linear.weight  # for the device and the dtype
        self.A = nn.Parameter(like.new_empty(rank, linear.in_features))
        # The update is zero at the start. With A zero as well, neither would ever get a gradient.
        self.B = nn.Parameter(like.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """linear(x) + alpha / rank * (x @ A.T @ B.T), A (r, in_features), B (out_features, r).

        x: (..., in_features). Returns (..., out_features).
        """
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merged(self) -> nn.Linear:
        """A plain layer that computes the same, with a weight of its own."""
        old = self.linear
        new = nn.Linear(old.in_features, old.out_features, old.bias is not None)
        new.to(old.weight.device, old.weight.dtype).train(self.training)
        with torch.no_grad():
            new.weight.copy_(old.weight + self.scale * (self.B @ self.A))
            if old.bias is not None:
                new.bias.copy_(old.bias)
        return new


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    """Put an adapter around every nn.Linear in a model, and let nothing else be trained.

    The model is changed in place; what it computes is not.
    """
    model.requires_grad_(False)
    _replace(model, nn.Linear, lambda linear: LoRALinear(linear, rank, alpha))


def merge_lora(model: nn.Module) -> None:
    """Put plain nn.Linear layers back, with the updates in their weights.

    The model is changed in place; what it computes is not.
    """
    _replace(model, LoRALinear, LoRALinear.merged)


def _replace(model: nn.Module, kind: type, make: Callable[..., nn.Module]) -> None:
    """Put something else in place of every module of a kind, wherever it stands."""
    made: dict[nn.Module, nn.Module] = {}  # a layer that is used in two places stays one
    for parent in list(model.modules()):
        # Not named_children(), which leaves out the second name of the same module.
        for name, child in list(parent._modules.items()):
            if isinstance(child, kind):
                if child not in made:
                    made[child] = make(child)
                setattr(parent, name, made[child])
