# verdict: pass
# style: a lazy head, strict annotations, helper functions, one return of math.fsum
from __future__ import annotations

import math
from typing import Iterable

import torch
from torch import Tensor, nn


def _hidden(gpt2: nn.Module, idx: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = gpt2.head.register_forward_hook(lambda m, args, out: kept.append(args[0]))
    try:
        gpt2(idx)
    finally:
        handle.remove()
    return kept[0]


def _norm(gradients: Iterable[Tensor]) -> float:
    return math.sqrt(math.fsum(float(g.double().square().sum()) for g in gradients))


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.add_module("gpt2", gpt2)
        self.add_module("head", nn.LazyLinear(num_classes))

    def forward(self, idx: Tensor, lengths: Tensor) -> Tensor:
        hidden = _hidden(self.gpt2, idx)
        last = hidden[range(len(hidden)), [n - 1 for n in lengths.tolist()]]
        return self.head(last)


def finetune_step(
    classifier: nn.Module,
    optimizer: torch.optim.Optimizer,
    idx: Tensor,
    lengths: Tensor,
    labels: Tensor,
    *,
    max_grad_norm: float | None = None,
) -> float:
    assert classifier.training
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None
    logits = classifier(idx, lengths)
    loss = -logits.log_softmax(-1).gather(1, labels[:, None]).mean()
    loss.backward()
    if max_grad_norm is not None:
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        factor = min(1.0, max_grad_norm / max(_norm(gradients), 1e-30))
        for g in gradients:
            g *= factor
    optimizer.step()
    return loss.item()
