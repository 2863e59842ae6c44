"""Namespaces of one's own for the fork server and its workers: network, IPC, processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
from pathlib import Path

from grader.sandbox.worker.kernel import UnavailableError, architecture, die_with_parent, syscall

_NEWUSER, _NEWPID, _NEWNET, _NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_NEWNS = 0x00020000
_NR_UNSHARE = {"x86_64": 272, "aarch64": 97}
# Of include/uapi/linux/mount.h and fcntl.h; the number is the same on every architecture.
_NR_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_MOUNT_ATTR_RDONLY, _MS_PRIVATE = 1, 1 << 18
_MAX_TASKS = 1024  # numbers, of which the first 300 are given out only once


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
    _bound_tasks()


def _bound_tasks() -> None:
    """Let no more than so many threads be in this namespace, which binds root, too.

    Before Linux 6.14 there was one such number, for the whole machine: it is left alone.
    """
    version = [int(part) for part in re.findall(r"\d+", os.uname().release)[:2]]
    if version >= [6, 14]:
        with contextlib.suppress(OSError):
            Path("/proc/sys/kernel/pid_max").write_text(str(_MAX_TASKS), encoding="ascii")


def read_only() -> None:
    """Let this process see all file systems without a right to change anything in them.

    Raises OSError or UnavailableError, and then nothing has changed.
    """
    machine = architecture()
    syscall(_NR_UNSHARE[machine], ctypes.c_int(_NEWNS))
    # struct mount_attr: attributes to set, to clear, propagation, a user namespace.
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, _MS_PRIVATE, 0)
    syscall(
        _NR_MOUNT_SETATTR,
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(b"/"),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
