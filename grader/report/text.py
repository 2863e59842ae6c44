"""Text that came from a submission, made safe to show."""

from __future__ import annotations

import unicodedata

MAX_TEXT = 4000  # characters


def clean(text: str) -> str:
    """Without control characters, terminal escapes and direction marks, and not too long."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")
    return shorten(kept, MAX_TEXT)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 6] + " [...]"
