"""What a worker gives up before a byte of the submission runs.

Today: its own session, closed descriptors, resource limits and an empty environment. The file
system, the network and other processes are still within its reach; that is isolation level
``process``, and every report says so.
"""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass

LEVEL = "process"
MECHANISMS = ("rlimits",)
_MAX_DESCRIPTORS = 64


@dataclass(frozen=True)
class Limits:
    """Bounds of one worker.

    memory_bytes: address space on top of what the fork server already has.
    cpu_seconds: processor time over the worker's whole life.
    """

    memory_bytes: int = 2 << 30
    cpu_seconds: int = 120


def apply(limits: Limits, connection: int) -> None:
    """Lock this process down. `connection` is the one descriptor it keeps besides 0, 1, 2."""
    os.setsid()
    _silence()
    _close_all_but(connection)
    os.environ.clear()
    _lower(resource.RLIMIT_AS, _address_space() + limits.memory_bytes)
    # One second between the polite signal and the kill.
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS)


def _silence() -> None:
    """Point the standard streams at nothing: what a submission prints is not part of a grade."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if nothing > 2:
        os.close(nothing)


def _close_all_but(connection: int) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    last = 65536 if limit == resource.RLIM_INFINITY else limit
    # CPython 3.11's closerange(low, low) closes everything, so empty ranges are never passed.
    if connection > 3:
        os.closerange(3, connection)
    if connection + 1 < last:
        os.closerange(connection + 1, last)


def _address_space() -> int:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 4 << 30


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(which)[1]
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    resource.setrlimit(which, (min(soft, wanted), wanted))
