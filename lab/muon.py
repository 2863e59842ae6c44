"""Muon: momentum whose singular values are all made one. For the matrices inside a model.

Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon. Steps are scaled to the size of AdamW's after Liu et al.
(2025), "Muon is scalable for LLM training", so one learning rate does for both; and each row of
them by what is usual for it, after Li et al. (2025), "NorMuon: Making Muon more efficient and
scalable", https://arxiv.org/abs/2510.05491.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from lab.device import sampling_precision

_MOMENTUM = 0.95
_MEMORY = 0.95  # of how large the entries of a row usually are
_AS_ADAMW = 0.2  # root mean square of the entries of an update of AdamW
# Three polynomials ax + bx³ + cx⁵, each of which brings what the one before has left nearest to
# one, in the worst case; after Amsel et al. (2025), "The Polar Express", arXiv:2505.16932. Found by
# linear programming for singular values from 0.01 to 1, they leave 0.73 to 1.27.
_POLYNOMIALS = (
    (8.0934, -23.6204, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
)


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
        every = group.get("every", 1)  # a run of an older version has it not
        rate = group["lr"] * every
        alike = defaultdict(list)
        for place, weight in enumerate(group["params"]):
            if weight.grad is None:
                continue
            state = self.state[weight]
            if "exp_avg_sq" not in state:  # the names that AdamW looks for when a state is loaded
                state.setdefault("step", torch.zeros(()))
                state.setdefault("exp_avg", torch.zeros_like(weight))  # of an older run it is there
                state["exp_avg_sq"] = torch.zeros_like(weight[:, :1])  # a number for each row
            momentum = state["exp_avg"].lerp_(weight.grad, 1 - _MOMENTUM)
            gradient, weight.grad = weight.grad, None
            state["step"] += 1
            # Neighbours have their turn together: those of an attention, those of an MLP.
            if (int(state["step"]) + place // 2) % every:
                continue
            direction = gradient.lerp_(momentum, _MOMENTUM)  # Nesterov's
            weight.mul_(1 - rate * group["weight_decay"])
            parts = 3 if weight.shape[0] == 3 * weight.shape[1] else 1  # queries, keys and values
            its = (t.chunk(parts) for t in (weight.detach(), direction, state["exp_avg_sq"]))
            for piece in zip(*its, strict=True):
                alike[piece[0].shape].append(piece)
        for shape, pieces in alike.items():
            updates = orthogonal(torch.stack([direction for _, direction, _ in pieces]))
            usual = torch.stack([squares for _, _, squares in pieces])
            updates = even(updates, usual).mul_(-rate * _AS_ADAMW * max(shape) ** 0.5)
            for (piece, _, squares), update, now in zip(pieces, updates, usual, strict=True):
                squares.copy_(now)
                piece.add_(update)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (N, rows, columns) with the same singular vectors, and singular values near one."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    # Rounding does no harm here; bfloat16 does only where the processor has it not.
    x = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    x = x.to(sampling_precision("auto", x.device))
    for a, b, c in _POLYNOMIALS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide is matrices else x.mT).to(matrices.dtype)


def even(updates: torch.Tensor, usual: torch.Tensor) -> torch.Tensor:
    """Updates (N, rows, columns) with each row divided by its usual size; as large in all.

    usual: the mean squares of the rows, (N, rows, 1), which are brought up to date.
    """
    usual.lerp_(updates.square().mean(-1, keepdim=True), 1 - _MEMORY)
    divided = updates / (usual.sqrt() + 1e-8)
    size, now = (torch.linalg.matrix_norm(u, keepdim=True) for u in (updates, divided))
    return divided.mul_(size / (now + 1e-8))


def configure(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    vocab_size: int,
    every: int = 1,
) -> MuonAdamW:
    """Muon for the matrices between embeddings and logits. Vectors do not decay, as always.

    every: iterations from one step of a matrix to its next, which is as many times as large.
    """
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
            {
                "params": groups["inside"],
                "weight_decay": weight_decay,
                "muon": True,
                "every": every,
            },
            {"params": groups["tables"], "weight_decay": weight_decay, "muon": False},
            {"params": groups["vectors"], "weight_decay": 0.0, "muon": False},
        ],
        lr=learning_rate,
        betas=betas,
    )
