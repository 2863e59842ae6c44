"""What there is to grade in `generation.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=20,
    name="generation",
    file="generation.py",
    modules=("test_greedy", "test_sampling", "test_together", "test_contract", "test_chance"),
    names=("generate",),
    brief="generation.md",
)
