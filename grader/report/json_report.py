"""The report as JSON."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from grader.report.model import Report


def write(report: Report, path: Path) -> None:
    """Write the report whole or not at all. Raises OSError."""
    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
