# verdict: fail
# part: Training
# cause: clipping-other-norm
# style: the square of the norm is compared with max_grad_norm
"""Training: from a text to a model that has learned from it. The reference solution.

Shapes: B is the batch, T the time (block_size), V the size of the vocabulary, N the length of the
data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
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
    places = len(data) - block_size  # of which the last one leaves one token more, for the targets
    if places < 1:
        raise ValueError(
            f"data of {len(data)} tokens is too short for block_size = {block_size}: "
            f"expected at least {block_size + 1}"
        )
    offsets = torch.randint(places, (batch_size,), generator=generator)  # (B,)
    reach = torch.arange(block_size + 1)  # (T + 1,)
    pieces = data[offsets[:, None] + reach]  # (B, T + 1)
    return pieces[:, :-1], pieces[:, 1:]


def language_modeling_loss(
    logits: torch.Tensor, targets: torch.Tensor, *, ignore_index: int = -100
) -> torch.Tensor:
    """Mean cross-entropy, in nats, of logits (B, T, V) at targets (B, T).

    Targets that equal ignore_index do not count. Returns a scalar, a tensor of shape () through
    which gradients flow.
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignore_index)


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
    # A tied parameter has several names; parameters() gives it once.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim >= 2]
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas)


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
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps:
        return min_learning_rate
    progress = (step - warmup_steps) / (total_steps - warmup_steps)  # from 0 towards 1
    share = (1 + math.cos(math.pi * progress)) / 2  # from 1 towards 0
    return min_learning_rate + share * (max_learning_rate - min_learning_rate)


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
    counts = [int((targets != -100).sum()) for _, targets in micro_batches]
    optimizer.zero_grad()
    total = 0.0
    for (inputs, targets), count in zip(micro_batches, counts, strict=True):
        # Each micro-batch's mean, weighed by its share of the targets: they sum to the mean of all.
        loss = language_modeling_loss(model(inputs), targets) * (count / sum(counts))
        loss.backward()  # adds to the gradients, and lets go of this micro-batch's activations
        total += loss.item()
    if max_grad_norm is not None:
        n = sum((p.grad ** 2).sum() for p in model.parameters() if p.grad is not None)
        if n > max_grad_norm:
            for p in model.parameters():
                if p.grad is not None: p.grad *= max_grad_norm / n.sqrt()
    optimizer.step()
    return total


@torch.no_grad()
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
    modes = [(module, module.training) for module in model.modules()]
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    try:
        losses = []
        for _ in range(num_batches):
            inputs, targets = get_batch(data, batch_size, block_size, generator=generator)
            losses.append(language_modeling_loss(model(inputs), targets).item())
    finally:
        for module, mode in modes:
            module.training = mode  # train(mode) would set the modules inside it too
    return sum(losses) / num_batches
