"""Namespaces of one's own for the fork server and its workers: network, IPC, processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

from grader.sandbox.worker.kernel import UnavailableError, architecture, die_with_parent, syscall

_NEWUSER, _NEWPID, _NEWNET, _NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_NR_UNSHARE = {"x86_64": 272, "aarch64": 97}


def enter() -> None:
    """Go on as process 1 of new namespaces: all in them ends when this process does.

    The process that called stays behind and ends as this one ends. Call before any thread is
    started. Raises UnavailableError, and then nothing has changed.
    """
    machine = architecture()
    user, group = os.getuid(), os.getgid()
    # Root needs no user namespace, in which it could not read what others own.
    wanted = _NEWPID | _NEWNET | _NEWIPC | (_NEWUSER if user else 0)
    try:
        syscall(_NR_UNSHARE[machine], ctypes.c_int(wanted))
    except OSError as error:
        raise UnavailableError(f"namespaces: {error.strerror}") from error
    if user:
        with contextlib.suppress(OSError):  # without a mapping, files are read as "nobody"
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    die_with_parent(signal.SIGKILL)
