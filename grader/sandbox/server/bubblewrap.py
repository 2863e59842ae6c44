"""Bubblewrap around the fork server: a file system in which the kit does not exist."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from grader.sandbox.worker.reach import is_the_kit

_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
_CPUS = "/sys/devices/system/cpu"
_PACKAGE = Path(__file__).resolve().parents[2]
_WORKER_NEEDS = ("__init__.py", "sandbox/__init__.py", "sandbox/wire.py", "sandbox/worker")
_OF_EXERCISES = ("exercises/__init__.py", "exercises/*/__init__.py", "exercises/*/in_worker.py")


def command() -> list[str] | None:
    """What to put before a command line, or None if bubblewrap is not installed."""
    program = shutil.which("bwrap") if sys.platform.startswith("linux") else None
    if program is None:
        return None
    bound = [*_SYSTEM, sys.base_prefix, sys.prefix, *(entry for entry in sys.path if entry)]
    visible = [path for path in dict.fromkeys(bound) if Path(path).exists()]
    # The repository is no place to run Python from; what is in it comes last, piece by piece.
    visible = [path for path in visible if not (Path(path) / "grader" / "sandbox").is_dir()]
    arguments = [program, "--unshare-net", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    arguments += ["--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for path in (*visible, _CPUS):
        arguments += ["--ro-bind-try", path, path]
    if any(is_the_kit(str(_PACKAGE)) and _PACKAGE.is_relative_to(path) for path in visible):
        arguments += ["--tmpfs", str(_PACKAGE)]
    needed = [_PACKAGE / name for name in _WORKER_NEEDS]
    needed += [path for pattern in _OF_EXERCISES for path in sorted(_PACKAGE.glob(pattern))]
    for there in map(str, needed):
        arguments += ["--ro-bind", there, there]
    return [*arguments, "--dir", "/empty", "--chdir", "/empty", "--remount-ro", "/", "--"]
