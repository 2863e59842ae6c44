"""The submission's model: built from a recipe, and dressed for a device."""

from __future__ import annotations

import torch
from torch import nn

from lab import attention, compiled, gelu, linear
from lab.building import built
from lab.device import linear_by_onednn
from lab.forms import settle
from lab.presets import Recipe
from lab.submission import Submission


def build(
    submission: Submission, recipe: Recipe, vocab_size: int, name: str = "GPT2", file: str = "gpt2"
) -> nn.Module:
    """A GPT2 of the submission, in the forms that the recipe says."""
    model = built(submission, recipe, vocab_size, name, file)
    settle(model, recipe, vocab_size)
    return model


def dressed(
    model: nn.Module, recipe: Recipe, device: torch.device, precision: torch.dtype
) -> nn.Module:
    """The model as it is trained: what computes it, and in which precision, as asked."""
    attention.use(recipe.attention, model, recipe.block_size, device)
    if precision == torch.bfloat16 and device.type == "cpu":
        gelu.use_exact(model)
    if compiled.pays(recipe.compile, device):
        compiled.use_compiler(model, device)
    elif precision == torch.float32 and linear_by_onednn(recipe.linear, device):
        linear.use_onednn(model)
    return model if precision == torch.float32 else MixedPrecision(model, device, precision)


class MixedPrecision(nn.Module):
    """A model with matrix products in a narrower format; weights and logits are float32."""

    def __init__(self, model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self._device = device.type
        self._dtype = dtype

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Whatever the model takes -> float32 logits."""
        with torch.autocast(self._device, dtype=self._dtype):
            logits: torch.Tensor = self.model(*inputs)
        return logits.float()


def trained(model: nn.Module) -> str:
    """Such as "813,824 parameters", and of how many it is if not all learn."""
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    every = count(model)
    return f"{every:,} parameters" + (f" ({learning:,} of them learn)" if learning < every else "")


def count(model: nn.Module) -> int:
    """How many numbers it has."""
    return sum(p.numel() for p in model.parameters())
