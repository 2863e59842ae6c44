"""The log of a run: JSON lines, one for each thing that happened."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

from grader.files import write_whole
from lab.errors import LabError

Entry = dict[str, Any]


class Log:
    """Appends entries to a file at once. What a full disk does not take is tried again later."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)
        self._owed = b""

    def write(self, event: str, step: int, **values: Any) -> None:
        """One entry. step: how many iterations were done by then."""
        entry = {"event": event, "step": step, **values}
        self._owed += json.dumps(entry).encode() + b"\n"
        with contextlib.suppress(OSError):
            self._owed = self._owed[self._file.write(self._owed) :]

    def close(self) -> bool:
        """No more entries; says whether all of them are in the file."""
        self._file.close()
        return not self._owed


def perplexity(loss: float) -> float:
    """e to the loss: among how many tokens it is as if the model chose evenly."""
    return math.exp(min(loss, 700.0))  # beyond, a float ends


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
    """Forget what came after a step: it will happen again. Raises LabError."""
    kept = [entry for entry in read(path) if entry["step"] <= step]
    try:
        write_whole(path, "".join(json.dumps(entry) + "\n" for entry in kept))
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error}") from error
