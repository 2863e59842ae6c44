"""What there is to grade in `tokenizer.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=50,
    name="tokenizer",
    file="tokenizer.py",
    modules=("test_training", "test_contract", "test_encoding", "test_special", "test_decoding"),
    names=("train_bpe", "BPETokenizer"),
    brief="tokenizer.md",
    judged_in={
        "train_bpe": ("test_training",),
        "BPETokenizer": ("test_contract", "test_encoding", "test_special", "test_decoding"),
    },
    imports=("regex",),
)
