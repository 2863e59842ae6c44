"""How the user calls this program."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "grader"


def program() -> str:
    """What to type for this very program: its name, or its place where a shell has no other."""
    beside = Path(sys.executable).with_name(PROGRAM)
    if shutil.which(PROGRAM) or not beside.exists():
        return PROGRAM
    return shlex.quote(str(beside))
