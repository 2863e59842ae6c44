"""Files of the kit's own: writing them whole or not at all, and what they are called."""

from __future__ import annotations

import secrets
from pathlib import Path

SESSION_FILE = "session.jsonl"  # in a folder that `grader start` made
_LONGEST = 50  # characters of a file's name in that of a temporary one


def write_whole(path: Path, text: str) -> None:
    """Write the text as UTF-8, whole or not at all; make missing folders. Raises OSError.

    Who may read it is what the user's umask says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:_LONGEST]}.{secrets.token_hex(8)}"
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
