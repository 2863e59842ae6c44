"""Threads and memory, settled before torch comes: so this module imports nothing of the kind."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from pathlib import Path

# Between two parallel loops OpenMP's threads spin, to be there at once: on two idle cores an
# iteration of the preset `cpu` takes 39 ms so, and 72 ms with threads that sleep and must be woken.
# When another process has taken a core, a thread that computes waits for one that is not running
# and that a third spins in the way of: 75 to 870 ms. One thread takes 55 ms, busy process or not;
# if none of two cores is free, two threads that sleep take 60 ms and one alone takes 90.
# (To measure it: python -m tests.benchmarks.lab neighbour)
_SLEEP_WHILE_WAITING = {
    "OMP_WAIT_POLICY": "passive",  # GNU's and LLVM's OpenMP
    "KMP_BLOCKTIME": "0",  # Intel's, in milliseconds
}
_THREADS = "OMP_NUM_THREADS"
_ENOUGH = 0.75  # of the cores must be idle for threads that spin
_LOOK_SECONDS = 0.2
# man 3 mallopt
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2**30  # bytes


def settle_threads() -> None:
    """A thread for each core if all are idle. If other processes are busy, waiting threads sleep,
    and there is one for each idle core; for each core if none is idle.

    If the environment says anything of the kind, it is left as it is.
    """
    if any(name in os.environ for name in (*_SLEEP_WHILE_WAITING, "GOMP_SPINCOUNT", _THREADS)):
        return
    idle = idle_cores()
    if idle is not None and idle < _ENOUGH * _cores():
        os.environ.update(_SLEEP_WHILE_WAITING)
        if round(idle) > 0:
            os.environ[_THREADS] = str(round(idle))


def keep_memory() -> None:
    """Let this process keep what it frees, where the C library is GNU's.

    Each iteration frees its tensors, and the next one takes as many. If the system gets large
    pieces back in between, it has to clear thousands of pages for every iteration: of the preset
    `cpu-fast` one took 52 ms so, and takes 42.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for what in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            library.mallopt(what, _KEPT)


def sleeps() -> bool:
    """Whether waiting threads sleep in this process."""
    return os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def idle_cores() -> float | None:
    """How many cores have nothing to do, from a short look; None where Linux does not tell."""
    before = _idle_seconds()
    time.sleep(_LOOK_SECONDS)
    after = _idle_seconds()
    if before is None or after is None:
        return None
    return (after - before) / _LOOK_SECONDS


def _idle_seconds() -> float | None:
    """Seconds that all cores together have been idle, ever; see man 5 proc."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


class Slowness:
    """Notices that iterations have become slow and stay so, as they do beside a busy process."""

    def __init__(self) -> None:
        self._best = 0.0
        self._slow = 0

    def noticed(self, pace: float) -> bool:
        """Whether this pace is the third in a row below half of the best, and no more."""
        self._best = max(self._best, pace)
        self._slow = self._slow + 1 if pace < self._best / 2 else 0
        return self._slow == 3
