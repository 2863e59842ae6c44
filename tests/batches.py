"""What a batch has written, as tests look at it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any


def report(out: Path, name: str) -> dict[str, Any]:
    """The report of one submission."""
    return json.loads((out / "reports" / f"{name}.json").read_text(encoding="utf-8"))


def rows(out: Path) -> list[dict[str, str]]:
    """The table."""
    with (out / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def stamps(out: Path) -> dict[str, int]:
    """When each report was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "reports").iterdir()}
