"""Classification: fine-tune your GPT2 to tell classes of texts. Fill in the class and the function.

The brief is classification.md. Shapes: B is the batch, T the number of columns, C is embed_dim.
"""

from __future__ import annotations

import torch
from torch import nn


class GPT2Classifier(nn.Module):
    """A GPT2 with class logits in place of token logits.

    gpt2: a GPT2 of your own gpt2.py, ready built; its parameters become those of the classifier.
    embed_dim: the width of its hidden states. num_classes: how many logits each sequence gets.
    """

    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, idx: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) token indices, lengths: (B,) -> class logits: (B, num_classes)

        The first lengths[b] tokens of row b are real, 1 to T of them, and the others are padding:
        any tokens at all. lengths is int64.
        """
        raise NotImplementedError


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
    raise NotImplementedError
