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
_NR_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter for the process `pid` on an architecture."""
    column = ("x86_64", "aarch64").index(machine)
    refuse = ERRNO | errno.EPERM
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, KILL),
    ]
    for table, answer in ((KILLED, KILL), (REFUSED, refuse)):
        for numbers in table.values():
            code += _when(numbers[column], [(_RETURN, 0, 0, answer)])
    special = {name: numbers[column] for name, numbers in SPECIAL.items()}
    # glibc falls back from clone3 to clone, whose flags can be seen.
    code += _when(special["clone3"], [(_RETURN, 0, 0, ERRNO | errno.ENOSYS)])
    threads = [
        (_LOAD, 0, 0, _ARGUMENTS),
        (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, KILL),
        (_RETURN, 0, 0, ALLOW),
    ]
    code += _when(special["clone"], threads)
    for name in ("kill", "tgkill"):
        code += _when(special[name], _only([pid]))
    for name in ("prlimit64", "sched_setaffinity"):
        code += _when(special[name], _only([0, pid]))
    return [*code, (_RETURN, 0, 0, ALLOW)]


def _when(number: int | None, then: list[Instruction]) -> list[Instruction]:
    """`then`, which returns, for one system call; the number stays loaded for those after it."""
    return [] if number is None else [(_JUMP_EQUAL, 0, len(then), number), *then]


def _only(values: Sequence[int]) -> list[Instruction]:
    """Allow if the first argument, a 32-bit integer, is one of these values; else the end."""
    code: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENTS)]
    for value in values:
        code += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, ALLOW)]
    return [*code, (_RETURN, 0, 0, KILL)]


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
            _NR_SECCOMP[machine],
            ctypes.c_uint(_SET_MODE_FILTER),
            ctypes.c_uint(0),
            ctypes.byref(_Program(len(code), filters)),
        )
    except OSError as error:
        raise UnavailableError(f"seccomp: {error.strerror}") from error
