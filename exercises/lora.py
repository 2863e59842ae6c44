"""LoRA: low-rank adapters for your own GPT2. Fill in `LoRALinear`, `add_lora` and `merge_lora`.

The brief is lora.md. Shapes: r is the rank of an adapter.
"""

from __future__ import annotations

import torch
from torch import nn


class LoRALinear(nn.Module):
    """A frozen linear layer with a trained update of low rank beside it.

    linear: the layer, of any size, with or without bias. rank: r, from 1 up. alpha: the update is
    scaled by alpha / rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """linear(x) + alpha / rank * (x @ A.T @ B.T), A (r, in_features), B (out_features, r).

        x: (..., in_features). Returns (..., out_features).
        """
        raise NotImplementedError


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    """Put an adapter around every nn.Linear in a model, and let nothing else be trained.

    The model is changed in place; what it computes is not.
    """
    raise NotImplementedError


def merge_lora(model: nn.Module) -> None:
    """Put plain nn.Linear layers back, with the updates in their weights.

    The model is changed in place; what it computes is not.
    """
    raise NotImplementedError
