"""The same attention in one fused call, for speed. The submission's explicit one stays as it is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lab.errors import LabError

_PARTS = ("qkv_proj", "out_proj", "num_heads", "attn_dropout", "resid_dropout")
_CLOSE = 1e-4


def use_sdpa(model: nn.Module) -> None:
    """Let the model's attention modules compute by F.scaled_dot_product_attention.

    It takes modules named and laid out as in solutions/gpt2.py, and tries each on numbers before
    it believes so. Raises LabError for any other.
    """
    found = [m for m in model.modules() if all(hasattr(m, name) for name in _PARTS)]
    if not found:
        raise LabError(
            "attention=sdpa needs attention modules with the names of solutions/gpt2.py: "
            + ", ".join(_PARTS)
        )
    for module in found:
        fused = _Fused(module)
        if not _same(module, fused):
            raise LabError(
                "attention=sdpa does not fit: the submission's attention computes another thing; "
                "use attention=explicit"
            )
        # On the instance: parameters, their names and the class stay the submission's.
        module.forward = fused


class _Fused:
    """The forward pass of solutions/gpt2.py with the (T, T) matrix never written down."""

    def __init__(self, module: Any) -> None:
        self._of = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        of = self._of
        heads = of.num_heads
        q, k, v = (
            t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in of.qkv_proj(x).chunk(3, -1)
        )
        dropout = of.attn_dropout.p if of.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        out: torch.Tensor = of.resid_dropout(of.out_proj(y.transpose(1, 2).flatten(2)))
        return out


def _same(module: nn.Module, fused: _Fused) -> bool:
    """Whether both give the same numbers, without dropout."""
    weight = next(module.parameters())
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(2, 7, module.qkv_proj.in_features, generator=numbers).to(weight)  # type: ignore[union-attr,arg-type]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            expected = module(x)
            return torch.allclose(expected, fused(x), atol=_CLOSE * float(expected.abs().max()))
    except (AttributeError, RuntimeError, TypeError):
        return False
    finally:
        module.train(was_training)
