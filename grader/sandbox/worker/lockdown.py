"""What a worker gives up before a byte of the submission runs.

`enter` is for the fork server before it imports torch, `prepare` for it afterwards, `apply` for
each worker. A mechanism that is not to be had is left out: which ones took effect is told, and
what they are worth is found out by trying, see `probe`.
"""

from __future__ import annotations

import contextlib
import glob
import math
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass

from grader.sandbox.worker import kernel, landlock, namespaces, seccomp
from grader.sandbox.worker.reach import NULL, Reach, reach

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]  # tested for before use

MECHANISMS = ("landlock", "seccomp", "rlimits", "capabilities", "namespaces", "bubblewrap")
BUDGET = 180.0  # seconds that one submission may take in all
PROCESSOR_SHARE = 2 / 3  # of these, that many at work
_MAX_DESCRIPTORS = 64
_MAX_THREADS = 256  # on top of what this user runs anyway


@dataclass(frozen=True)
class Limits:
    """Bounds of one worker.

    memory_bytes: address space on top of what the fork server already has.
    cpu_seconds: processor time over the worker's whole life.
    """

    memory_bytes: int = 2 << 30
    cpu_seconds: int = 120

    @classmethod
    def allowing(cls, budget: float) -> Limits:
        """Limits under which one worker may take all that a submission may take."""
        return cls(cpu_seconds=max(math.ceil(budget * PROCESSOR_SHARE), 1))


@dataclass(frozen=True)
class Plan:
    """What a fork server has made ready for its workers.

    without: mechanisms not to use, for tests and measurements. found: those in effect already.
    reach: what may be read. ruleset: Landlock's descriptor. address_space: bytes before a worker
    has done anything; tasks: threads that this user runs; 0 where that is not known.
    """

    limits: Limits
    without: Collection[str]
    found: tuple[str, ...]
    reach: Reach
    ruleset: int | None
    address_space: int
    tasks: int


def enter(without: Collection[str]) -> tuple[str, ...]:
    """Move this process, which has one thread, into namespaces of its own if they can be had."""
    if "namespaces" in without:
        return ()
    try:
        namespaces.enter()
    except kernel.UnavailableError:
        return ()
    return ("namespaces",)


def prepare(limits: Limits, without: Collection[str], found: tuple[str, ...]) -> Plan:
    """What can be made ready once for all workers."""
    ruleset, allowed = None, reach()
    if "landlock" not in without:
        with contextlib.suppress(kernel.UnavailableError):
            ruleset = landlock.prepare(allowed.read, allowed.list, [NULL])
    return Plan(limits, without, found, allowed, ruleset, _address_space(), _tasks())


def apply(plan: Plan, connection: socket.socket) -> tuple[str, ...]:
    """Lock this process down; the mechanisms in effect. It keeps `connection` and 0, 1, 2."""
    applied = list(plan.found)

    def attempt(name: str, mechanism: Callable[[], object]) -> None:
        if name not in plan.without:
            with contextlib.suppress(kernel.UnavailableError, OSError, ValueError):
                mechanism()
                applied.append(name)

    with contextlib.suppress(AttributeError, PermissionError):  # not Windows; already a leader
        os.setsid()
    with contextlib.suppress(kernel.UnavailableError, OSError):
        kernel.architecture()
        kernel.die_with_parent(signal.SIGKILL)
    _silence()
    _close_all_but({connection.fileno(), *([] if plan.ruleset is None else [plan.ruleset])})
    os.environ.clear()
    # Parts of torch want a folder for temporary files to be there as soon as they are imported.
    tempfile.tempdir = os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.getcwd()
    if resource is not None:
        attempt("rlimits", lambda: _limit(plan))
    with contextlib.suppress(kernel.UnavailableError, OSError):
        if "namespaces" in plan.found:
            namespaces.read_only()
    attempt("capabilities", kernel.drop_capabilities)
    ruleset = plan.ruleset
    if ruleset is not None:
        attempt("landlock", lambda: landlock.restrict(ruleset))
    attempt("seccomp", seccomp.restrict)
    return tuple(name for name in MECHANISMS if name in applied)


def _limit(plan: Plan) -> None:
    cpu = plan.limits.cpu_seconds
    # macOS does not take a limit on address space.
    with contextlib.suppress(OSError, ValueError):
        _lower(resource.RLIMIT_AS, plan.address_space + plan.limits.memory_bytes)
    # One second between the polite signal and the kill.
    _lower(resource.RLIMIT_CPU, cpu, cpu + 1)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS)
    if plan.tasks:  # root is not bound by that, see `namespaces.bound_tasks`
        _lower(resource.RLIMIT_NPROC, plan.tasks + _MAX_THREADS)
    _lower(resource.RLIMIT_MEMLOCK, 0)


def _silence() -> None:
    """Point the standard streams at nothing: what a submission prints is not part of a grade."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if nothing > 2:
        os.close(nothing)


def _close_all_but(kept: Collection[int]) -> None:
    if resource is None:
        return  # a spawned process on Windows inherits none
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    last = 65536 if limit == resource.RLIM_INFINITY else limit
    start = 3
    for descriptor in (*sorted(kept), last):
        # CPython 3.11's closerange(low, low) closes everything, so empty ranges are never passed.
        if start < descriptor:
            os.closerange(start, descriptor)
        start = descriptor + 1


def _address_space() -> int:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 4 << 30


def _tasks() -> int:
    """Threads of this user, in all processes that can be seen."""
    user, count = os.getuid(), 0
    for folder in glob.iglob("/proc/[0-9]*"):
        with contextlib.suppress(OSError):
            if os.stat(folder).st_uid == user:
                count += len(os.listdir(f"{folder}/task"))
    return count


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(which)[1]
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    resource.setrlimit(which, (min(soft, wanted), wanted))
