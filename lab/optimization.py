"""What a recipe says about learning: the optimizer, and how its learning rate goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from lab import muon
from lab.presets import Recipe
from lab.submission import Submission


def optimizer_of(
    model: nn.Module, recipe: Recipe, submission: Submission, vocab_size: int
) -> torch.optim.Optimizer:
    """The submission's, or the lab's Muon."""
    how: dict[str, Any] = {
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "betas": recipe.betas(),
    }
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "muon":
        optimizer = muon.configure(model, vocab_size=vocab_size, every=recipe.muon_every, **how)
    else:
        optimizer = submission.get("training", "configure_optimizer")(model, **how)
    if recipe.fused and isinstance(optimizer, torch.optim.AdamW):
        # All parameters in one kernel. The same mathematics.
        for group in optimizer.param_groups:
            group["fused"], group["foreach"] = True, False
    return optimizer


def learning_rate_of(recipe: Recipe, submission: Submission) -> Callable[[int], float]:
    """What gives the learning rate of a step: the submission's learning_rate_at, or a line."""
    if recipe.schedule == "linear":
        return partial(falling_in_a_line, recipe)
    given: Callable[[int], float] = partial(
        submission.get("training", "learning_rate_at"),
        max_learning_rate=recipe.learning_rate,
        min_learning_rate=recipe.min_learning_rate,
        warmup_steps=recipe.warmup_iterations,
        total_steps=recipe.decay_ends(),
    )
    return given


def falling_in_a_line(recipe: Recipe, step: int) -> float:
    """As learning_rate_at of the exercise `training`, but for the way down: straight.

    Bergsma et al. (2025), "Straight to Zero: Why Linearly Decaying the Learning Rate to Zero Works
    Best for LLMs", https://arxiv.org/abs/2502.15938. In `cpu-fast` it gains 0.013 of the loss.
    """
    highest, warmup = recipe.learning_rate, recipe.warmup_iterations
    if step < warmup:
        return highest * (step + 1) / warmup
    left = max(0, recipe.decay_ends() - step) / max(1, recipe.decay_ends() - warmup)  # 1 to 0
    return recipe.min_learning_rate + left * (highest - recipe.min_learning_rate)
