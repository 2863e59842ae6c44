"""The same attention, faster. The submission's own stays as it is, and stays the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lab.errors import LabError

_PARTS = ("qkv_proj", "out_proj", "num_heads", "attn_dropout", "resid_dropout")
_CLOSE = 1e-4
_TRIED = 64  # tokens
Core = Callable[[torch.Tensor, int, float], torch.Tensor]  # qkv (B, T, 3C), H, dropout: (B, T, C)


def use(wanted: str, model: nn.Module, block_size: int, device: torch.device) -> None:
    """Let the model's attention modules compute as wanted.

    explicit: as the submission has it. sdpa: by F.scaled_dot_product_attention. auto: by that on a
    GPU, in few passes on a CPU. The latter two take modules named and laid out as in
    solutions/gpt2.py, and try each on numbers before they believe so. Any other is left as it is by
    auto, and with sdpa raises LabError.
    """
    if wanted == "explicit":
        return
    core = _in_few_passes if wanted == "auto" and device.type == "cpu" else _sdpa
    found = [m for m in model.modules() if all(hasattr(m, name) for name in _PARTS)]
    fitting = [module for module in found if _same(module, _Forward(module, core), block_size)]
    if wanted == "sdpa" and not found:
        raise LabError(
            "attention=sdpa needs attention modules with the names of solutions/gpt2.py: "
            + ", ".join(_PARTS)
        )
    if wanted == "sdpa" and len(fitting) < len(found):
        raise LabError(
            "attention=sdpa does not fit: the submission's attention computes another thing; "
            "use attention=explicit"
        )
    for module in fitting:
        # On the instance: parameters, their names and the class stay the submission's.
        module.forward = _Forward(module, core)


class _Forward:
    """The forward pass of solutions/gpt2.py around another core."""

    def __init__(self, module: Any, core: Core) -> None:
        self._of = module
        self._core = core

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        of = self._of
        dropout = of.attn_dropout.p if of.training else 0.0
        y = self._core(of.qkv_proj(x), of.num_heads, dropout)
        out: torch.Tensor = of.resid_dropout(of.out_proj(y))
        return out


def _same(module: Any, other: _Forward, block_size: int) -> bool:
    """Whether both give the same numbers, without dropout."""
    numbers = torch.Generator().manual_seed(0)
    was_training = module.training
    module.eval()
    try:
        length = min(block_size, _TRIED)
        x = torch.randn(2, length, module.qkv_proj.in_features, generator=numbers)
        x = x.to(next(module.parameters()))
        with torch.no_grad():
            expected = module(x)
            return torch.allclose(expected, other(x), atol=_CLOSE * float(expected.abs().max()))
    except (AttributeError, RuntimeError, TypeError):
        return False
    finally:
        module.train(was_training)


def _sdpa(qkv: torch.Tensor, heads: int, dropout: float) -> torch.Tensor:
    """In one fused call: the (T, T) matrix is never written down."""
    shape = (*qkv.shape[:2], heads, -1)
    q, k, v = (t.view(shape).transpose(1, 2) for t in qkv.chunk(3, -1))
    y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
    return y.transpose(1, 2).flatten(2)


def _in_few_passes(qkv: torch.Tensor, heads: int, dropout: float) -> torch.Tensor:
    """Explicit, but scale and mask come with the product, and heads change places once.

    On a CPU the fused call's way back is slow at a small T: an iteration of `cpu-fast` takes half
    as long again by it, and 0.03 to 0.09 less by this.
    """
    if dropout:
        return _sdpa(qkv, heads, dropout)
    apply: Any = _FewPasses.apply
    y: torch.Tensor = apply(qkv, heads)
    return y


class _FewPasses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: torch.Tensor, heads: int) -> torch.Tensor:
        q, k, v = _apart(qkv, 3 * heads).chunk(3)
        time = qkv.shape[1]
        mask = qkv.new_full((time, time), float("-inf")).triu(1)
        scores = torch.baddbmm(mask, q, k.mT, alpha=q.shape[-1] ** -0.5)
        weights = scores.softmax(-1)  # (H·B, T, T)
        ctx.save_for_backward(q, k, v, weights)
        ctx.heads = heads
        return _together(weights @ v, heads)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        q, k, v, weights = ctx.saved_tensors
        of_y = _apart(gradients[0].contiguous(), ctx.heads)  # (H·B, T, D)
        of_qkv = of_y.new_empty(3 * len(of_y), *of_y.shape[1:])
        of_q, of_k, of_v = of_qkv.chunk(3)
        of_weights = of_y @ v.mT
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_scores *= q.shape[-1] ** -0.5
        torch.bmm(of_scores, k, out=of_q)
        torch.bmm(of_scores.mT, q, out=of_k)
        torch.bmm(weights.mT, of_y, out=of_v)
        return _together(of_qkv, 3 * ctx.heads), None


def _apart(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, T, heads·D) -> (heads·B, T, D)"""
    return x.view(*x.shape[:2], heads, -1).permute(2, 0, 1, 3).flatten(0, 1)


def _together(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(heads·B, T, D) -> (B, T, heads·D)"""
    return x.view(heads, -1, *x.shape[1:]).permute(1, 2, 0, 3).flatten(2)
