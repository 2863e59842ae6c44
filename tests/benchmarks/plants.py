"""Whether each planted bug is named alone, and told when it is fixed among others.

    python -m tests.benchmarks.plants [--pairs N] [--draws N] [--jobs N] [--record FILE] [--whole]

Without options: every plant in every clean text, and 200 draws of four, which takes hours on two
cores. What is done is recorded in FILE, so that it goes on there after a stop. A pair is graded by
the class or function that holds the plant; --whole grades all of the text. A draw is graded with
all its bugs, with each one fixed, and with all of them fixed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from grader.exercises.debug.draw import Wanted
from grader.exercises.debug.plants import FILES, Text
from grader.sandbox.client import Server, start
from tests.plants import Pair, all_texts, draw_key, faults_of_draw, first_name, pairs, report_on

_servers: list[Server] = []


def _server() -> Server:
    """The one of this process."""
    if not _servers:
        _servers.append(start().__enter__())
    return _servers[0]


def _clean(text: Text) -> list[str]:
    """What is wrong with a clean text: nothing, one hopes."""
    own = [exercise for exercise, file in FILES.items() if file == text.file]
    reports = {
        exercise: report_on(exercise, {text.file: text.clean}, _server()) for exercise in own
    }
    return [
        f"{name} gives {found.verdict}"
        for name, found in reports.items()
        if found.verdict != "pass"
    ]


def _misnamed(pair: Pair, whole: bool) -> list[str]:
    name = first_name(pair, _server(), whole)
    return [] if name == pair.slug else [f"called {name or 'nothing'}"]


def _faults(seed: int) -> list[str]:
    return faults_of_draw(seed, Wanted(), _server())


class Record:
    """What is known: faults by what they were looked for in."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text().splitlines() if file and file.exists() else []
        self.known: dict[str, list[str]] = dict(map(json.loads, lines))

    def keep(self, key: str, faults: list[str]) -> None:
        """Remember, and write it down at once."""
        self.known[key] = faults
        for fault in faults:
            print(f"  {key}: {fault}", flush=True)
        if self.file:
            with self.file.open("a") as lines:
                lines.write(json.dumps([key, faults]) + "\n")


def run(
    pool: ProcessPoolExecutor, record: Record, work: dict[str, Callable[[], list[str]]]
) -> list[str]:
    """Do what is not known yet; what turned out to be faulty of it all."""
    tasks = {pool.submit(task): key for key, task in work.items() if key not in record.known}
    for done in as_completed(tasks):
        record.keep(tasks[done], done.result())
    return [key for key in work if record.known[key]]


def said(what: str, faulty: list[str], keys: Iterable[str]) -> str:
    count = len(list(keys))
    return f"{count - len(faulty)} of {count} {what} ({1 - len(faulty) / max(count, 1):.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plants", description=__doc__)
    parser.add_argument("--pairs", type=int, help="only so many, as different as can be")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--record", type=Path, metavar="FILE", help="go on with what is in it")
    parser.add_argument("--whole", action="store_true", help="grade all of a text for a pair")
    given = parser.parse_args()
    record = Record(given.record)
    clean = {f"clean {text.file} {text.style}": partial(_clean, text) for text in all_texts()}
    named = {pair.key: partial(_misnamed, pair, given.whole) for pair in pairs()[: given.pairs]}
    drawn = {draw_key(seed, Wanted()): partial(_faults, seed) for seed in range(given.draws)}
    with ProcessPoolExecutor(given.jobs) as pool:
        for what, work in {
            "pairs of plant and text named first": named,
            "clean texts pass": clean,
            "draws of four told right": drawn,
        }.items():
            print(said(what, run(pool, record, work), work), flush=True)


if __name__ == "__main__":
    main()
