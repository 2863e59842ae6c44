"""Whether each planted bug is named alone, and told when it is fixed among others.

    python -m tests.benchmarks.plants [--pairs N] [--draws N] [--jobs N]

Without options: every plant in every clean text, and 200 draws of four, which takes hours on two
cores. A draw is graded with all its bugs, with each one fixed, and with all of them fixed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from grader.exercises.debug.draw import Wanted
from grader.exercises.debug.plants import FILES
from grader.sandbox.client import Server, start
from tests.plants import Pair, all_texts, faults_of_draw, first_name, pairs, report_on

_servers: list[Server] = []


def _server() -> Server:
    """The one of this process."""
    if not _servers:
        _servers.append(start().__enter__())
    return _servers[0]


def _clean(file: str) -> list[str]:
    """What is wrong with the clean texts of a file: nothing, one hopes."""
    faults = []
    for text in (text for text in all_texts() if text.file == file):
        for exercise in (name for name, own in FILES.items() if own == file):
            verdict = report_on(exercise, {file: text.clean}, _server()).verdict
            if verdict != "pass":
                faults.append(f"{file} {text.style}: {exercise} gives {verdict}")
    return faults


def _named(pair: Pair) -> str:
    return first_name(pair, _server())


def _faults(seed: int) -> list[str]:
    return faults_of_draw(seed, Wanted(), _server())


def show_pairs(wanted: Sequence[Pair], pool: ProcessPoolExecutor) -> None:
    missed: Counter[str] = Counter()
    for pair, name in zip(wanted, pool.map(_named, wanted), strict=True):
        if name != pair.slug:
            missed[pair.slug] += 1
            print(f"  {pair}, called {name or 'nothing'}", flush=True)
    named = len(wanted) - missed.total()
    plants = len({pair.slug for pair in wanted})
    print(
        f"{named} of {len(wanted)} pairs named first ({named / len(wanted):.1%}), {plants} plants"
    )


def show_draws(count: int, pool: ProcessPoolExecutor) -> None:
    faults = [fault for found in pool.map(_faults, range(count)) for fault in found]
    for fault in faults:
        print(f"  {fault}")
    print(f"{count} draws of four, {len(faults)} fates told wrongly")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plants", description=__doc__)
    parser.add_argument("--pairs", type=int, help="only so many, as different as can be")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.jobs) as pool:
        clean = [fault for found in pool.map(_clean, set(FILES.values())) for fault in found]
        print("\n".join(clean) or f"all {len(all_texts())} clean texts pass")
        show_pairs(pairs()[: given.pairs], pool)
        show_draws(given.draws, pool)


if __name__ == "__main__":
    main()
