"""Text that came from a submission, made safe to show."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 4000  # characters
# Words by which build servers take commands from what a program prints.
_COMMANDS = re.compile(
    r"::(?=(debug|notice|warning|error|group|endgroup|add-|set-|save-|stop-|echo|remove-))"
    r"|##(?=\w*\[)",
    re.IGNORECASE,
)
_UNSHOWN = ("C", "Zl", "Zp")  # controls, and ends of lines and paragraphs
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def clean(text: str) -> str:
    """Without control characters, terminal escapes, direction marks and commands to a build
    server, and not too long.
    """
    kept = "".join(
        c for c in text if c in "\n\t" or not unicodedata.category(c).startswith(_UNSHOWN)
    )
    return shorten(_COMMANDS.sub(lambda found: " ".join(found.group()), kept), MAX_TEXT)


def csv_cell(text: str) -> str:
    """For a table: cleaned, and no spreadsheet takes it for a formula."""
    kept = clean(text)
    return f"'{kept}" if kept.lstrip(" ").startswith(_FORMULA) else kept


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 6] + " [...]"
