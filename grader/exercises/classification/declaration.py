"""What there is to grade in `classification.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=70,
    name="classification",
    file="classification.py",
    modules=(
        *("test_interface", "test_classifier", "test_backbone", "test_finetuning"),
        "test_clipping",
    ),
    names=("GPT2Classifier", "finetune_step"),
    brief="classification.md",
    base="gpt2",
    judged_in={
        "GPT2Classifier": ("test_interface", "test_classifier", "test_backbone"),
        "finetune_step": ("test_finetuning", "test_clipping"),
    },
    calls={"finetune_step": ("GPT2Classifier",)},
)
