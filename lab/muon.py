"""Muon: momentum whose singular values are all made one. For the matrices inside a model.

Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon. Steps are scaled to the size of AdamW's after Liu et al.
(2025), "Muon is scalable for LLM training", so one learning rate does for both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lab.device import sampling_precision

_MOMENTUM = 0.95
_AS_ADAMW = 0.2  # root mean square of the entries of an update of AdamW
# The iteration x -> ax + bx³ + cx⁵ of Jordan et al., by which singular values come close to one.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class MuonAdamW(torch.optim.AdamW):
    """Muon for the matrices of the blocks, AdamW for everything else."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step. The matrices' gradients are gone afterwards, so AdamW leaves these alone."""
        for group in self.param_groups:
            if group["muon"]:
                self._step(group)
        return super().step(closure)

    def _step(self, group: dict[str, Any]) -> None:
        """All pieces of one shape at once: many small products are slower than one large."""
        alike = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:  # under the names that AdamW looks for when a state is loaded
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(weight)
            momentum = state["exp_avg"].lerp_(weight.grad, 1 - _MOMENTUM)
            direction = weight.grad.lerp_(momentum, _MOMENTUM)  # Nesterov's
            weight.grad = None
            for piece, its_direction in zip(_pieces(weight), _pieces(direction), strict=True):
                alike[piece.shape].append((piece, its_direction))
        rate, decay = group["lr"], 1 - group["lr"] * group["weight_decay"]
        for shape, pairs in alike.items():
            updates = orthogonal(torch.stack([direction for _, direction in pairs]))
            scale = _AS_ADAMW * max(shape) ** 0.5
            for (piece, _), update in zip(pairs, updates, strict=True):
                piece.mul_(decay).add_(update, alpha=-rate * scale)


def _pieces(weight: torch.Tensor) -> Sequence[torch.Tensor]:
    """Views of the matrices that a weight is made of: queries, keys and values are three."""
    rows, columns = weight.shape
    return weight.detach().chunk(3) if rows == 3 * columns else [weight.detach()]


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (N, rows, columns) with the same singular vectors, and singular values near one."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    # Rounding does no harm here; bfloat16 does only where the processor has it not.
    x = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    x = x.to(sampling_precision("auto", x.device))
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x if wide is matrices else x.mT).to(matrices.dtype)


def configure(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    vocab_size: int,
) -> MuonAdamW:
    """Muon for the matrices between embeddings and logits. Vectors do not decay, as always."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    groups: dict[str, list[nn.Parameter]] = {"inside": [], "tables": [], "vectors": []}
    for p in model.parameters():
        if not p.requires_grad:
            continue
        if p.ndim < 2:
            kind = "vectors"
        elif p.ndim > 2 or id(p) in tables or p.shape[0] == vocab_size:  # the head's rows: tokens
            kind = "tables"
        else:
            kind = "inside"
        groups[kind].append(p)
    return MuonAdamW(
        [
            {"params": groups["inside"], "weight_decay": weight_decay, "muon": True},
            {"params": groups["tables"], "weight_decay": weight_decay, "muon": False},
            {"params": groups["vectors"], "weight_decay": 0.0, "muon": False},
        ],
        lr=learning_rate,
        betas=betas,
    )
