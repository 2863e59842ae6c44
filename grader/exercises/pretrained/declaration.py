"""What there is to grade in `pretrained.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=60,
    name="pretrained",
    file="pretrained.py",
    modules=("test_weights", "test_contract", "test_errors"),
    names=("load_openai_weights",),
    brief="pretrained.md",
    base="gpt2",
)
