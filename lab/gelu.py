"""GELU in bfloat16 on a CPU, by the formula that is faster there.

GPT-2's is 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), made in its day to save time; the exact one,
x Φ(x), never differs by more than 5e-4. Today it is the exact one that torch computes in a third of
the time (oneDNN), and bfloat16 rounds numbers near 1 by up to 4e-3.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


def use_exact(model: nn.Module) -> None:
    """Let the model's nn.GELU modules compute the exact GELU of what is in bfloat16."""
    modules: list[Any] = [module for module in model.modules() if type(module) is nn.GELU]
    for module in modules:
        # On the instance: the class stays the submission's, and float32 its own formula.
        module.forward = _Forward(module)


class _Forward:
    """What stands in for nn.GELU.forward."""

    def __init__(self, module: nn.GELU) -> None:
        self._of = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: of any shape -> the same shape"""
        exact = x.dtype == torch.bfloat16
        return F.gelu(x, approximate="none" if exact else self._of.approximate)
