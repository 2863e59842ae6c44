"""Every rule of the system call filter, on both architectures, run as the kernel would run it."""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

import pytest

from grader.sandbox.worker import seccomp, syscalls
from grader.sandbox.worker.kernel import ARCHITECTURES

fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")

PID = 4321
REFUSE = seccomp.ERRNO | errno.EPERM
_OTHER = {"x86_64": 0xC00000B7, "aarch64": 0xC000003E}
_HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def run(code: list[seccomp.Instruction], machine: int, number: int, *arguments: int) -> int:
    """What a filter answers: the classic BPF instructions that `seccomp` uses."""
    data = {0: number, 4: machine}
    for place in range(6):
        value = arguments[place] if place < len(arguments) else 0
        data |= {16 + 8 * place: value & 0xFFFFFFFF, 20 + 8 * place: value >> 32}
    loaded = at = 0
    while True:
        kind, jump_true, jump_false, constant = code[at]
        at += 1
        if kind == 0x20:
            loaded = data[constant]
        elif kind == 0x06:
            return constant
        else:
            holds = {
                0x15: loaded == constant,
                0x35: loaded >= constant,
                0x45: bool(loaded & constant),
            }[kind]
            at += jump_true if holds else jump_false


def answer(machine: str, name: str, *arguments: int) -> int | None:
    """The filter's answer to a call by name; None if the architecture does not have it."""
    tables = {**syscalls.KILLED, **syscalls.REFUSED, **syscalls.SPECIAL, **_ALLOWED}
    number = tables[name][ARCHITECTURES.index(machine)]
    if number is None:
        return None
    return run(seccomp.program(machine, PID), seccomp._AUDIT[machine], number, *arguments)


# What Python and torch cannot do without.
_ALLOWED: syscalls.Table = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "openat": (257, 56),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "brk": (12, 214),
    "futex": (202, 98),
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "getpid": (39, 172),
    "exit_group": (231, 94),
    "clock_gettime": (228, 113),
    "getrandom": (318, 278),
    "sched_getaffinity": (204, 123),
    "madvise": (28, 233),
    "rt_sigaction": (13, 134),
}


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", syscalls.KILLED)
def test_ends_the_process(machine: str, name: str) -> None:
    assert answer(machine, name) in (seccomp.KILL, None)


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", syscalls.REFUSED)
def test_is_refused(machine: str, name: str) -> None:
    assert answer(machine, name) in (REFUSE, None)


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", _ALLOWED)
def test_is_allowed(machine: str, name: str) -> None:
    assert answer(machine, name) == seccomp.ALLOW


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", 0x3D0F00, seccomp.ALLOW),  # a thread, as glibc makes it
        ("clone", 0x01200011, seccomp.KILL),  # a fork, as glibc makes it
        ("clone", 0x10000000, seccomp.KILL),  # a user namespace
        ("clone3", 0, seccomp.ERRNO | errno.ENOSYS),
        ("kill", PID, seccomp.ALLOW),
        ("kill", 1, seccomp.KILL),
        ("kill", 0, seccomp.KILL),
        ("kill", 2**64 - 1, seccomp.KILL),  # -1: everybody
        ("tgkill", PID, seccomp.ALLOW),
        ("tgkill", PID + 1, seccomp.KILL),
        ("prlimit64", 0, seccomp.ALLOW),
        ("prlimit64", PID + 1, seccomp.KILL),
        ("sched_setaffinity", 0, seccomp.ALLOW),
        ("sched_setaffinity", PID + 1, seccomp.KILL),
        ("kill", (PID, signal.SIGABRT), seccomp.ALLOW),
        ("kill", (PID, signal.SIGSTOP), seccomp.KILL),
        ("tgkill", (PID, PID, signal.SIGABRT), seccomp.ALLOW),
        ("tgkill", (PID, PID, signal.SIGTSTP), seccomp.KILL),
        ("ioctl", (3, termios.TCGETS), seccomp.ALLOW),
        ("ioctl", (3, termios.FIONBIO), seccomp.ALLOW),
        ("ioctl", (3, 0x40086602), REFUSE),  # FS_IOC_SETFLAGS
        ("ioctl", (3, 0x40087602), REFUSE),  # FS_IOC_SETVERSION
        ("ioctl", (3, 0x401C5820), REFUSE),  # FS_IOC_FSSETXATTR
        ("ioctl", (3, 0x8901), REFUSE),  # FIOSETOWN
        ("ioctl", (3, 0x8927), REFUSE),  # SIOCGIFHWADDR
        ("ioctl", (3, termios.TIOCSTI), REFUSE),
        ("fcntl", (3, fcntl.F_GETFL), seccomp.ALLOW),
        ("fcntl", (3, fcntl.F_DUPFD_CLOEXEC), seccomp.ALLOW),
        ("fcntl", (3, fcntl.F_SETFL, os.O_NONBLOCK), seccomp.ALLOW),
        ("fcntl", (3, fcntl.F_SETFL, os.O_NONBLOCK | 0o20000), REFUSE),  # O_ASYNC
        ("fcntl", (3, fcntl.F_SETLEASE), REFUSE),
        ("fcntl", (3, fcntl.F_SETLK), REFUSE),
        ("fcntl", (3, 37), REFUSE),  # F_OFD_SETLK
        ("fcntl", (3, fcntl.F_SETOWN), REFUSE),
        ("fcntl", (3, fcntl.F_SETSIG), REFUSE),
        ("fcntl", (3, fcntl.F_NOTIFY), REFUSE),
        ("fcntl", (3, 1031), REFUSE),  # F_SETPIPE_SZ
        ("prctl", 15, seccomp.ALLOW),  # PR_SET_NAME
        ("prctl", 0x53564D41, seccomp.ALLOW),  # PR_SET_VMA
        ("prctl", 1, REFUSE),  # PR_SET_PDEATHSIG
        ("prctl", 4, REFUSE),  # PR_SET_DUMPABLE
        ("prctl", 22, REFUSE),  # PR_SET_SECCOMP
        ("prctl", 29, REFUSE),  # PR_SET_TIMERSLACK
        ("prctl", 36, REFUSE),  # PR_SET_CHILD_SUBREAPER
        ("prctl", 62, REFUSE),  # PR_SCHED_CORE
        ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), seccomp.ALLOW),
        ("openat", (0, 0, os.O_WRONLY | os.O_TRUNC), seccomp.ALLOW),  # Landlock decides
        ("openat", (0, 0, os.O_RDONLY | os.O_TRUNC), REFUSE),
        ("open", (0, os.O_RDONLY | os.O_TRUNC), REFUSE),
        ("openat2", 0, seccomp.ERRNO | errno.ENOSYS),
    ],
)
def test_arguments_decide(
    machine: str, name: str, arguments: int | tuple[int, ...], expected: int
) -> None:
    given = arguments if isinstance(arguments, tuple) else (arguments,)
    assert answer(machine, name, *given) in (expected, None)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_interfaces_of_the_kernel_end_the_process(machine: str) -> None:
    code = seccomp.program(machine, PID)
    read = _ALLOWED["read"][ARCHITECTURES.index(machine)]
    assert read is not None
    assert run(code, _OTHER[machine], read) == seccomp.KILL
    assert run(code, seccomp._AUDIT[machine], 0x40000000 | read) == seccomp.KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_the_kernels(machine: str) -> None:
    header = _HEADERS[machine]
    if not header.exists():
        pytest.skip("the kernel's headers (Debian: linux-libc-dev) are not installed")
    lines = re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", header.read_text("utf-8"))
    known = {name: int(number) for name, number in lines}
    column = ARCHITECTURES.index(machine)
    for table in (syscalls.KILLED, syscalls.REFUSED, syscalls.SPECIAL, _ALLOWED):
        for name, numbers in table.items():
            number = numbers[column]
            # Headers may be older than a call, and have other names for aarch64's stat and umount.
            assert number is None or known.get(name, number) == number, name
