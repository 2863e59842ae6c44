"""The log of a run: JSON lines, one for each thing that happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Log:
    """Appends entries to a file, each on the disk's way at once."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    def write(self, event: str, step: int, **values: Any) -> None:
        """One entry. step: how many iterations were done by then."""
        self._file.write(json.dumps({"event": event, "step": step, **values}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """No more entries."""
        self._file.close()


def read(path: Path) -> list[Entry]:
    """All whole entries. A last one that a kill cut short is left out."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def rewind(path: Path, step: int) -> None:
    """Forget what came after a step: it will happen again."""
    from grader.files import write_whole

    kept = [entry for entry in read(path) if entry["step"] <= step]
    write_whole(path, "".join(json.dumps(entry) + "\n" for entry in kept))
