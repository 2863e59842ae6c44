"""Where the lab keeps what it has fetched or prepared once."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The folder: $LAB_CACHE, or one among the user's caches."""
    chosen = os.environ.get("LAB_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpt2-lab"
