"""What there is to grade in `kv_cache.py`."""

from __future__ import annotations

from grader.declaration import Declaration

EXERCISE = Declaration(
    order=30,
    name="kv_cache",
    file="kv_cache.py",
    modules=("test_pieces", "test_cache", "test_work", "test_model", "test_limits"),
    names=("CachedGPT2",),
    brief="kv_cache.md",
    base="gpt2",
    base_needed=False,
)
