"""Files of the kit's own: writing them whole or not at all, and what they are called."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SESSION_FILE = "session.jsonl"  # in a folder that `grader start` made


def write_whole(path: Path, text: str) -> None:
    """Write the text as UTF-8, whole or not at all; make missing folders. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
