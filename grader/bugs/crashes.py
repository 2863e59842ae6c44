"""Which exception has which name: the first whose pattern is found in it."""

from __future__ import annotations

import re
from pathlib import Path

from grader.bug import Raised, read_bugs

_TABLES = ("crashes_of_names", "crashes_of_shape", "crashes_of_values")
CRASHES = tuple(
    bug
    for name in _TABLES
    for bug in read_bugs(Path(__file__).with_name(f"{name}.toml"))
    if isinstance(bug, Raised)
)
CRASH_SLUGS = frozenset((*(crash.slug for crash in CRASHES), "crashes", "endless-loop"))


def of_exception(message: str, traceback: str) -> str:
    """The slug for an exception; "" if none is for its kind.

    message: its type and what it says; traceback: the submission's own frames.
    """
    lines = traceback.rstrip().splitlines()
    last = lines[-1].strip() if lines else ""
    for crash in CRASHES:
        if re.search(crash.raised, message) and re.search(crash.line, last):
            return crash.slug
    return ""
