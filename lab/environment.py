"""What must be settled before torch is imported. So this module imports nothing of the kind."""

from __future__ import annotations

import os

# Between two parallel loops OpenMP's threads spin, to be there at once. When another process has
# taken one of the cores, a thread that computes waits for one that is not running, while a third
# spins in vain. Threads that sleep leave the core to whoever has work for it:
# on two cores with five other processes, an iteration took 970 ms with threads that spin and
# 110 ms with threads that sleep (to measure it: python -m tests.benchmarks.lab neighbour).
_SLEEP_WHILE_WAITING = {
    "OMP_WAIT_POLICY": "passive",  # GNU's and LLVM's OpenMP
    "KMP_BLOCKTIME": "0",  # Intel's, in milliseconds
}


def let_threads_sleep() -> None:
    """Make waiting threads sleep, unless the environment says otherwise."""
    for name, value in _SLEEP_WHILE_WAITING.items():
        os.environ.setdefault(name, value)
