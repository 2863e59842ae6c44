# verdict: fail
# style: own clipping fails for a parameter without gradient
# part: Fine-tuning
# cause: none-for-tensor
"""Classification: a GPT2 that tells classes of texts, and its fine-tuning. The reference solution.

Shapes: B is the batch, T the number of columns, C is embed_dim.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class GPT2Classifier(nn.Module):
    """A GPT2 with class logits in place of token logits.

    gpt2: a GPT2 of your own gpt2.py, ready built; its parameters become those of the classifier.
    embed_dim: the width of its hidden states. num_classes: how many logits each sequence gets.
    """

    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = gpt2
        # What goes into the head for tokens is what comes out now. (Its weights are those of the
        # token embedding, and live on there.)
        self.backbone.head = nn.Identity()
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, idx: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) token indices, lengths: (B,) -> class logits: (B, num_classes)

        The first lengths[b] tokens of row b are real, 1 to T of them, and the others are padding:
        any tokens at all. lengths is int64.
        """
        hidden = self.backbone(idx)  # (B, T, C), after the final norm
        # Attention is causal: the last real token has read all real ones and no padding.
        rows = torch.arange(len(idx), device=idx.device)  # (B,)
        return self.head(hidden[rows, lengths - 1])  # (B, num_classes)


def finetune_step(
    classifier: nn.Module,
    optimizer: torch.optim.Optimizer,
    idx: torch.Tensor,
    lengths: torch.Tensor,
    labels: torch.Tensor,
    *,
    max_grad_norm: float | None = None,
) -> float:
    """One step of the optimizer on the mean cross-entropy of a batch, in nats.

    classifier: takes idx (B, T) and lengths (B,), gives class logits. optimizer: of all its
    parameters. labels: int64 (B,), the class of each sequence. max_grad_norm: what the Euclidean
    norm of all gradients together may be at most, if given.

    Returns the loss before the step.
    """
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    optimizer.zero_grad()  # what an earlier batch left would be added to
    loss.backward()
    if max_grad_norm is not None:
        n = torch.sqrt(sum((p.grad ** 2).sum() for p in classifier.parameters()))
        if n > max_grad_norm:
            for p in classifier.parameters(): p.grad *= max_grad_norm / n
    optimizer.step()
    return loss.item()
