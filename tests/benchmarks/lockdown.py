"""What the lock-down costs: a worker's start, and a grade of the reference.

    python -m tests.benchmarks.lockdown [ROUNDS]

Medians, measured in turn, of workers with and without the walls of level full.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from grader.grading import Options, grade
from grader.sandbox import wire
from grader.sandbox.client import Server, isolation_of, start
from grader.sandbox.client.worker import Worker
from tests.bank import ROOT

WALLS = ("bubblewrap", "namespaces", "landlock", "seccomp", "capabilities")


def worker_seconds(server: Server) -> float:
    """From asking for a worker to its first answer."""
    started = time.perf_counter()
    worker = Worker(server)
    given = {"name": "read a file", "canary": "/nowhere", "port": 1, "pid": 1}
    worker.ask("probe", deadline=wire.Deadline(10), **given)
    taken = time.perf_counter() - started
    worker.close()
    return taken


def grade_seconds(server: Server) -> float:
    """A whole grade with a warm server."""
    started = time.perf_counter()
    assert grade(ROOT / "solutions", Options(seed=1), server=server).verdict == "pass"
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with start() as locked, start(without=WALLS) as bare:
        print(f"level {isolation_of(locked).level} against {isolation_of(bare).level}")
        for name, measure, count, unit in (
            ("worker", worker_seconds, 20 * rounds, 1e3),
            ("grade", grade_seconds, rounds, 1.0),
        ):
            pairs = [(measure(locked), measure(bare)) for _ in range(count)]
            with_, without = (median(column) * unit for column in zip(*pairs, strict=True))
            print(
                f"{name}: {with_:.2f} with, {without:.2f} without, "
                f"{with_ - without:+.2f} {'ms' if unit > 1 else 's'}, ratio {with_ / without:.3f}"
            )


if __name__ == "__main__":
    main()
