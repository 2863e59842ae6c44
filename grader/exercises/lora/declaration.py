"""What there is to grade in `lora.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=80,
    name="lora",
    file="lora.py",
    modules=("test_contract", "test_layer", "test_adding", "test_merging"),
    names=("LoRALinear", "add_lora", "merge_lora"),
    brief="lora.md",
    base="gpt2",
    base_needed=False,
    judged_in={
        "LoRALinear": ("test_layer",),
        "add_lora": ("test_adding",),
        "merge_lora": ("test_merging",),
    },
    calls={"add_lora": ("LoRALinear",)},
)
