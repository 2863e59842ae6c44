"""The report as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from grader.files import write_whole
from grader.results import Report


def write(report: Report, path: Path) -> None:
    """Write the report whole or not at all. Raises OSError."""
    write_whole(path, json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
