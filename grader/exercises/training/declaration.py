"""What there is to grade in `training.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=40,
    name="training",
    file="training.py",
    modules=(
        *("test_contract", "test_data", "test_loss", "test_optimizer", "test_schedule"),
        *("test_step", "test_estimate", "test_run"),
    ),
    names=(
        *("get_batch", "language_modeling_loss", "configure_optimizer", "learning_rate_at"),
        *("train_step", "estimate_loss"),
    ),
    brief="training.md",
    base="gpt2",
    judged_in={
        "get_batch": ("test_data",),
        "language_modeling_loss": ("test_loss",),
        "configure_optimizer": ("test_optimizer",),
        "learning_rate_at": ("test_schedule",),
        "train_step": ("test_step",),
        "estimate_loss": ("test_estimate",),
    },
)
