"""A seccomp filter: which system calls a worker may make.

A classic BPF program of (code, jump if true, jump if false, constant). Source of the numbers:
include/uapi/linux/{bpf_common,seccomp,audit,filter}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence

from grader.sandbox.worker.kernel import (
    UnavailableError,
    architecture,
    forbid_new_privileges,
    syscall,
)
from grader.sandbox.worker.syscalls import KILLED, REFUSED, SPECIAL

Instruction = tuple[int, int, int, int]

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # numbers from here on are those of a second, 32-bit interface of x86_64
_CLONE_THREAD = 0x00010000
_SET_MODE_FILTER = 1
_REFUSE = ERRNO | errno.EPERM
_STOPPING = (19, 20, 21, 22)  # SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU: who stops uses no time
# What Python, glibc and torch ask of a descriptor, and nothing that changes a file or tells of a
# network: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. Of include/uapi/asm/ioctls.h.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ: no locks, leases, owners and
# notices. Of include/uapi/linux/fcntl.h; the flags are alike on both architectures.
_FCNTLS, _F_SETFL, _O_ASYNC = (0, 1, 2, 3, 1030, 1032), 4, 0o20000
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
# PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ,
# PR_GET_TIMERSLACK, PR_GET_NO_NEW_PRIVS, PR_SET_VMA: none that outlives or slows anybody.
_PRCTLS = (2, 3, 15, 16, 21, 23, 30, 39, 0x53564D41)


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter for the process `pid` on an architecture."""
    column = ("x86_64", "aarch64").index(machine)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, KILL),
    ]
    for table, answer in ((KILLED, KILL), (REFUSED, _REFUSE)):
        for numbers in table.values():
            code += _when(numbers[column], [(_RETURN, 0, 0, answer)])
    for name, then in _by_arguments(pid).items():
        code += _when(SPECIAL[name][column], then)
    return [*code, (_RETURN, 0, 0, ALLOW)]


def _by_arguments(pid: int) -> dict[str, list[Instruction]]:
    """What decides on each of the calls that are SPECIAL."""
    missing = [(_RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    alive = [answer for signal in _STOPPING for answer in _answer(signal, KILL)]
    return {
        "clone3": missing,  # glibc falls back to clone, whose flags can be seen
        "openat2": missing,  # and to openat
        "clone": [
            _argument(0),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, KILL),
            (_RETURN, 0, 0, ALLOW),
        ],
        "kill": [*_unless(0, [pid], KILL), _argument(1), *alive, (_RETURN, 0, 0, ALLOW)],
        "tgkill": [*_unless(0, [pid], KILL), _argument(2), *alive, (_RETURN, 0, 0, ALLOW)],
        "prlimit64": [*_unless(0, [0, pid], KILL), (_RETURN, 0, 0, ALLOW)],
        "sched_setaffinity": [*_unless(0, [0, pid], KILL), (_RETURN, 0, 0, ALLOW)],
        "ioctl": [*_unless(1, _IOCTLS, _REFUSE), (_RETURN, 0, 0, ALLOW)],
        "prctl": [*_unless(0, _PRCTLS, _REFUSE), (_RETURN, 0, 0, ALLOW)],
        "fcntl": [
            *_unless(1, [*_FCNTLS, _F_SETFL], _REFUSE),
            (_JUMP_EQUAL, 1, 0, _F_SETFL),
            (_RETURN, 0, 0, ALLOW),
            _argument(2),
            (_JUMP_ANY_BIT, 0, 1, _O_ASYNC),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, ALLOW),
        ],
        "open": _no_emptying(1),
        "openat": _no_emptying(2),
    }


def _no_emptying(flags: int) -> list[Instruction]:
    """Refuse to open a file for reading and empty it, which old versions of Landlock let pass.

    flags: which argument they are. What opens a file to write is Landlock's to decide.
    """
    return [
        _argument(flags),
        (_JUMP_ANY_BIT, 2, 0, _O_ACCMODE),
        (_JUMP_ANY_BIT, 0, 1, _O_TRUNC),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, ALLOW),
    ]


def _argument(number: int) -> Instruction:
    """Load the lower half of an argument: all that the kernel looks at in those asked for here."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * number)


def _when(number: int | None, then: list[Instruction]) -> list[Instruction]:
    """`then`, which returns, for one system call; the number stays loaded for those after it."""
    return [] if number is None else [(_JUMP_EQUAL, 0, len(then), number), *then]


def _unless(argument: int, values: Sequence[int], answer: int) -> list[Instruction]:
    """`answer` if an argument, which stays loaded, is none of these values; else go on."""
    found = [(_JUMP_EQUAL, len(values) - place, 0, v) for place, v in enumerate(values)]
    return [_argument(argument), *found, (_RETURN, 0, 0, answer)]


def _answer(value: int, answer: int) -> list[Instruction]:
    """`answer` if what is loaded is this value; else go on."""
    return [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, answer)]


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(_Filter)))


def restrict() -> None:
    """Apply the filter to this process for ever. Raises UnavailableError."""
    machine = architecture()
    code = program(machine, os.getpid())
    filters = (_Filter * len(code))(*(_Filter(*instruction) for instruction in code))
    forbid_new_privileges()
    try:
        syscall(
            REFUSED["seccomp"][("x86_64", "aarch64").index(machine)] or 0,
            ctypes.c_uint(_SET_MODE_FILTER),
            ctypes.c_uint(0),
            ctypes.byref(_Program(len(code), filters)),
        )
    except OSError as error:
        raise UnavailableError(f"seccomp: {error.strerror}") from error
