"""Landlock: which files a process may still reach, and that it reaches no one else.

Source of all numbers: the kernel's include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from grader.sandbox.worker.kernel import (
    UnavailableError,
    architecture,
    forbid_new_privileges,
    syscall,
)

# The same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # a flag of _CREATE_RULESET
_PATH_BENEATH = 1
_WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1  # all rights of the first version
# Rights that came later: the version of the interface, and the bit.
_LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # refer, truncate, ioctl on devices
_NET_SINCE, _NET_RIGHTS = 4, 0b11  # bind and connect TCP
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract UNIX sockets, signals


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """The kernel's version of the Landlock interface. Raises UnavailableError without one."""
    architecture()
    try:
        return syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError as error:
        raise UnavailableError(f"Landlock: {error.strerror}") from error


def prepare(read: Iterable[str], list_: Iterable[str], write: Iterable[str]) -> int:
    """A descriptor of a ruleset: all is refused but what these paths (and below) allow.

    read: files or folders to read, list_: folders whose names may be listed, write: files that
    may be written too. What does not exist is left out. Raises UnavailableError.
    """
    known = version()
    rights = _FIRST_RIGHTS
    for since, right in _LATER_RIGHTS.items():
        rights |= right if known >= since else 0
    attributes = _RulesetAttributes(
        rights,
        _NET_RIGHTS if known >= _NET_SINCE else 0,
        _SCOPES if known >= _SCOPES_SINCE else 0,
    )
    # An older kernel refuses a structure longer than its own.
    size = 24 if known >= _SCOPES_SINCE else 16 if known >= _NET_SINCE else 8
    ruleset = syscall(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    for paths, access in (
        (read, READ_FILE | READ_DIR),
        (list_, READ_DIR),
        (write, READ_FILE | _WRITE_FILE),
    ):
        for path in paths:
            _allow(ruleset, path, access)
    return ruleset


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= ~READ_DIR  # the kernel takes no folder's right for a file
        rule = _PathBeneath(access, descriptor)
        syscall(
            _ADD_RULE, ctypes.c_int(ruleset), _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0)
        )
    finally:
        os.close(descriptor)


def restrict(ruleset: int) -> None:
    """Apply a ruleset to this thread and all that it starts, for ever. Closes the descriptor."""
    forbid_new_privileges()
    syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
