"""What there is to grade in `gpt2.py`."""

from __future__ import annotations

from grader.declaration import Declaration
from grader.gpt2.models import CLASSES

EXERCISE = Declaration(
    order=10,
    name="gpt2",
    file="gpt2.py",
    modules=("test_policy", "test_attention", "test_mlp", "test_block", "test_model"),
    names=CLASSES,
    brief="README.md",
    judged_in={
        "CausalSelfAttention": ("test_attention",),
        "MLP": ("test_mlp",),
        "TransformerBlock": ("test_block",),
        "GPT2": ("test_model",),
    },
    ahead=("test_model",),
)
