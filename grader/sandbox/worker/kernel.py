"""Linux system calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

ARCHITECTURES = ("x86_64", "aarch64")
_PR_SET_PDEATHSIG, _PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 1, 3, 4
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_READ_SEARCH = 2
_LAST_CAPABILITY = 63
_NR_CAPSET = {"x86_64": 126, "aarch64": 91}


class UnavailableError(Exception):
    """This kernel, platform or environment does not have the mechanism. The message says why."""


def architecture() -> str:
    """One of ARCHITECTURES. Raises UnavailableError elsewhere."""
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ARCHITECTURES:
        raise UnavailableError(f"not known on {sys.platform} on {machine}")
    return machine


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel; what it gives. Raises OSError."""
    result: int = _libc().syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def forbid_new_privileges() -> None:
    """No setuid program gives privileges from now on; Landlock and seccomp ask for this."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(signal_number: int) -> None:
    """Get this signal when the parent process ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def open_memory(is_open: bool) -> None:
    """Whether others of this user may read and write this process's memory, or trace it."""
    architecture()
    _prctl(_PR_SET_DUMPABLE, int(is_open))


def memory_is_open() -> bool:
    """What `open_memory` was told, or how the process began."""
    architecture()
    return _prctl(_PR_GET_DUMPABLE, 0) == 1


def drop_capabilities() -> None:
    """Give up what root may do, but for reading what others own: Landlock says which files."""
    architecture()
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            _prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the kernel's last one, or not root: nothing to drop
    held = _held() & (1 << _CAP_DAC_READ_SEARCH)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, first the lower halves, then the upper.
    data = (ctypes.c_uint32 * 6)(held, held, 0, 0, 0, 0)
    syscall(_NR_CAPSET[architecture()], ctypes.byref(header), ctypes.byref(data))


def _held() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm"))


def _prctl(option: int, argument: int) -> int:
    zero = ctypes.c_ulong(0)
    result: int = _libc().prctl(option, ctypes.c_ulong(argument), zero, zero, zero)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
