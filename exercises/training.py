"""Training: from a text to a model that has learned from it. Fill in the six functions.

The brief is training.md. Shapes: B is the batch, T the time (block_size), V the size of the
vocabulary, N the length of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def get_batch(
    data: torch.Tensor,
    batch_size: int,
    block_size: int,
    *,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces of the data at random places, and for each of their tokens the one that follows it.

    data: token indices, int64 of shape (N,). Returns inputs and targets, both int64 of shape
    (B, T) with B = batch_size and T = block_size. generator: where chance comes from, if given.

    Raises ValueError if the data is too short for one input and its targets.
    """
    raise NotImplementedError


def language_modeling_loss(
    logits: torch.Tensor, targets: torch.Tensor, *, ignore_index: int = -100
) -> torch.Tensor:
    """Mean cross-entropy, in nats, of logits (B, T, V) at targets (B, T).

    Targets that equal ignore_index do not count. Returns a scalar, a tensor of shape () through
    which gradients flow.
    """
    raise NotImplementedError


def configure_optimizer(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.95),
) -> torch.optim.Optimizer:
    """An optimizer that does what AdamW does, for every parameter of the model that is trained.

    Parameters with two axes or more decay; those with fewer do not. One whose gradient is None
    sits that step out.
    """
    raise NotImplementedError


def learning_rate_at(
    step: int,
    *,
    max_learning_rate: float,
    min_learning_rate: float,
    warmup_steps: int,
    total_steps: int,
) -> float:
    """The learning rate of a step, the first of which is step 0.

    For the first warmup_steps steps it rises in equal parts, and is max_learning_rate in the last
    of them. From warmup_steps on it falls from max_learning_rate along half a cosine, and at
    total_steps and after is min_learning_rate.
    """
    raise NotImplementedError


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[tuple[torch.Tensor, torch.Tensor]],
    *,
    max_grad_norm: float | None = None,
) -> float:
    """Make one step of the optimizer on the mean loss over all targets of all micro-batches.

    model: gives logits (B, T, V) for token indices (B, T). micro_batches: inputs and targets, each
    (B, T), whose sizes may differ; targets of -100 do not count. max_grad_norm: what the norm of
    all gradients together is cut to, if it is above. Memory does not hold all micro-batches with
    what their gradients need. Returns the loss before the step.
    """
    raise NotImplementedError


def estimate_loss(
    model: nn.Module,
    data: torch.Tensor,
    *,
    batch_size: int,
    block_size: int,
    num_batches: int,
    seed: int = 0,
) -> float:
    """The mean loss over num_batches batches of the data, in eval mode.

    The batches are those of get_batch, one after another, with a generator seeded with `seed`.
    Modes, gradients and torch's own chance are afterwards as they were.
    """
    raise NotImplementedError
