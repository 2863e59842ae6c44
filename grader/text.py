"""Text that came from a submission, made safe to show."""

from __future__ import annotations

import ast
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


def pasteable(code: str) -> str:
    """Python with an empty line behind every block, without which a prompt does not take it."""
    lines = code.splitlines()
    for statement in reversed(ast.parse(code).body):
        end = statement.end_lineno or 0
        if isinstance(getattr(statement, "body", None), list) and any(lines[end : end + 1]):
            lines.insert(end, "")
    return "\n".join(lines)


def csv_cell(text: str) -> str:
    """For a table: cleaned, and no spreadsheet takes it for a formula."""
    kept = clean(text)
    return f"'{kept}" if kept.lstrip(" ").startswith(_FORMULA) else kept


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 6] + " [...]"
