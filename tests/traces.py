"""What a grading could leave behind: files, processes, descriptors, markers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.bank import ROOT

_OURS = {
    ".hypothesis",
    ".git",
    ".venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
}
MARKER = "gpt2-kit-hostile-"


def tree() -> dict[str, tuple[int, int]]:
    """Every file of the repository with its size and time of change."""
    found = {}
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [n for n in inside if n not in _OURS and not n.endswith(".egg-info")]
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_size, status.st_mtime_ns)
    return found


def markers(beside: Path) -> list[str]:
    """Files that a hostile submission makes when it succeeds."""
    places = (Path(tempfile.gettempdir()), beside, beside.parent)
    return sorted(str(file) for place in places for file in place.glob(f"{MARKER}*"))


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent = _parent(int(entry))
            children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def orphans() -> set[int]:
    """Python processes whose parent is gone."""
    return {int(e) for e in os.listdir("/proc") if e.isdigit() and _is_orphan(int(e))}


def _is_orphan(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"grader" in command and _parent(pid) == 1


def _parent(pid: int) -> int:
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")")[-1].split()[1]
        )
    except (OSError, IndexError):
        return 0
