"""A batch of many submissions: how fast, how much memory, and whether anything is lost.

    python -m tests.benchmarks.batch rate [SUBMISSIONS] [JOBS]     right ones, under other names
    python -m tests.benchmarks.batch distinct [SUBMISSIONS] [JOBS]    and no two of the same text
    python -m tests.benchmarks.batch mixed [SUBMISSIONS] [JOBS]    a tenth of them hostile
    python -m tests.benchmarks.batch kill [TIMES] [SUBMISSIONS]    kill -9 at random moments

`mixed` compares every verdict with that of grading one by one.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from grader.grading import Options, grade
from grader.sandbox.client import Limits, start
from grader.submission import UnusableInput
from tests.bank import ROOT, Known, known

SEED = 11
TIMEOUT = 10.0


def fill(folder: Path, bank: list[Known], count: int, distinct: bool = False) -> dict[str, Known]:
    """The bank again and again, under other names. Name -> what it is.

    distinct: each file has a line of its own.
    """
    folder.mkdir()
    files = [item for item in bank if item.path.is_file()]
    names = {}
    for number, item in zip(range(count), itertools.cycle(files), strict=False):
        name = f"{number:04}_{item.path.name}"
        text = item.path.read_text(encoding="utf-8")
        own = f"\n# handed in by number {number}\n" if distinct else ""
        (folder / name).write_text(f"{text}{own}", encoding="utf-8")
        names[name] = item
    return names


def begin(folder: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    """A batch in a process of its own."""
    arguments = ["batch", str(folder), "--out", str(out), "--jobs", str(jobs)]
    arguments += ["--seed", str(SEED), "--timeout", str(TIMEOUT)]
    return subprocess.Popen(
        [sys.executable, "-m", "grader", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
    )


def verdicts(out: Path) -> dict[str, str]:
    """By name, as the table has them; a name that is in it twice is an error."""
    with (out / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["submission"], row["verdict"]) for row in csv.DictReader(file)]
    assert len(dict(rows)) == len(rows), "a name is in the table twice"
    return dict(rows)


def watched(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Tell rate and memory of the parent and of those who grade, until it ends."""
    started = time.monotonic()
    marks = {count // 5: 0.0, count: 0.0}
    while process.poll() is None:
        done = len(list(out.glob("reports/*.json")))
        for mark in marks:
            if not marks[mark] and done >= mark:
                marks[mark] = _megabytes(process.pid)
                print(
                    f"after {done}: parent {marks[mark]:.0f} MB, graders "
                    f"{[round(_megabytes(child)) for child in _children(process.pid)]} MB",
                    flush=True,
                )
        time.sleep(0.02)
    seconds = time.monotonic() - started
    print(f"{count} in {seconds:.0f} s: {count / seconds:.2f} a second, start and table included")
    first, last = marks.values()
    print(f"the parent grew by {last - first:.0f} MB from {count // 5} to {count}")


def _megabytes(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return next((int(x.split()[1]) for x in text.splitlines() if "VmRSS" in x), 0) / 1024


def _children(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(x) for task in tasks for x in task.read_text(encoding="ascii").split()]
    except OSError:
        return []


def rate(place: Path, count: int, jobs: int, distinct: bool = False) -> None:
    names = fill(place / "in", known("accepted"), count, distinct)
    watched(begin(place / "in", place / "out", jobs), place / "out", count)
    found = verdicts(place / "out")
    print(f"{len(found)} rows, {sum(v != 'pass' for v in found.values())} that do not pass")
    assert set(found) == set(names)


def mixed(place: Path, count: int, jobs: int) -> None:
    harmless = itertools.cycle([*known("accepted"), *known("wrong")])
    hostile = itertools.cycle(known("hostile"))
    bank = [next(hostile) if n % 10 == 9 else next(harmless) for n in range(count)]
    names = fill(place / "in", bank, count)
    watched(begin(place / "in", place / "out", jobs), place / "out", count)
    found = verdicts(place / "out")
    alone: dict[bytes, str] = {}
    options = Options(seed=SEED, timeout=TIMEOUT, untrusted=True)
    with start(Limits.allowing(TIMEOUT)) as server:
        for name in names:
            text = (place / "in" / name).read_bytes()
            if text not in alone:
                try:
                    alone[text] = grade(place / "in" / name, options, server=server).verdict
                except UnusableInput:
                    alone[text] = "ungraded"
    texts = {name: (place / "in" / name).read_bytes() for name in names}
    other = [(n, alone[texts[n]], found.get(n)) for n in names if alone[texts[n]] != found.get(n)]
    print(f"{len(found)} rows for {len(names)}; other than one by one: {other or 'none'}")


def kill(place: Path, times: int, count: int) -> None:
    names = fill(place / "in", known("accepted"), count)
    out = place / "out"
    stamps: dict[str, int] = {}
    for attempt in range(times):
        process = begin(place / "in", out, os.cpu_count() or 1)
        time.sleep(random.uniform(3.0, 20.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("reports/*.json")}
        again = [name for name in stamps if now.get(name) != stamps[name]]
        broken = [path.name for path in out.glob("reports/*.json") if not _whole(path)]
        print(f"kill {attempt + 1}: {len(now)} done, graded again {again}, broken {broken}")
        stamps = now
    begin(place / "in", out, os.cpu_count() or 1).wait()
    now = {path.name: path.stat().st_mtime_ns for path in out.glob("reports/*.json")}
    again = [name for name in stamps if now.get(name) != stamps[name]]
    print(f"at the end: {len(verdicts(out))} rows for {len(names)}, graded again {again}")


def _whole(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return path.with_suffix(".html").exists()


def main() -> None:
    what, *numbers = sys.argv[1:]
    given = [int(number) for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        if what == "kill":
            kill(Path(folder), *([*given, *(10, 150)[len(given) :]][:2]))
        else:
            defaults = (500, os.cpu_count() or 1)
            {"rate": rate, "distinct": partial(rate, distinct=True), "mixed": mixed}[what](
                Path(folder), *([*given, *defaults[len(given) :]][:2])
            )


if __name__ == "__main__":
    main()
