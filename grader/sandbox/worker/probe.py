"""Tries, from inside a locked-down worker, what a submission must not be able to do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable

# The last two end a worker that is not allowed to.
NAMES = (
    "read a file",
    "write a file",
    "empty a file",
    "write in the working folder",
    "connect to a server",
    "read the grader's memory",
    "have signals sent for a file",
    "start a process",
    "signal another process",
)


def works(name: str, canary: str, port: int, pid: int) -> bool:
    """Whether what is named (one of NAMES) can be done.

    canary: a file that anybody may read; port: of a TCP server on this machine that accepts; pid:
    a process of the same user.
    """
    attempts: dict[str, Callable[[], object]] = {
        "read a file": lambda: open(canary, encoding="utf-8").close(),
        "write a file": lambda: open(f"{canary}.written", "x", encoding="utf-8").close(),
        "empty a file": lambda: os.close(os.open(canary, os.O_RDONLY | os.O_TRUNC)),
        "write in the working folder": lambda: open("written", "x", encoding="utf-8").close(),
        "connect to a server": lambda: socket.create_connection(("127.0.0.1", port), 1).close(),
        "read the grader's memory": lambda: open(f"/proc/{pid}/mem", "rb").close(),
        "have signals sent for a file": lambda: _own(0, pid),
        "start a process": _fork,
        "signal another process": lambda: _signal(pid, os.getppid()),
    }
    try:
        attempts[name]()
    except (OSError, AttributeError, ValueError, ImportError):
        return False  # refused, or this platform has no such thing
    return True


def _own(descriptor: int, pid: int) -> None:
    """Let a process of the same user get the signals for a file. Raises OSError or ImportError."""
    import fcntl  # which Windows does not have

    fcntl.fcntl(descriptor, fcntl.F_SETOWN, pid)


def _signal(*pids: int) -> None:
    """Raises OSError if none of them can be reached."""
    reached = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            reached += 1
    if not reached:
        raise PermissionError("none of them")


def _fork() -> None:
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.pause()
        os._exit(0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
