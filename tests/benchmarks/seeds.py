"""The same verdict for every submission of the bank under many seeds.

    python -m tests.benchmarks.seeds [SEEDS] [PROCESSES]

A right one is graded whole. For a wrong one the checks of the part that its header blames are run
until one fails, which makes the verdict.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat

from grader.remote import Server, start
from tests.bank import Known, known
from tests.verdicts import until_it_fails, whole

FIRST_SEED = 100


@cache
def _server() -> Server:
    """One for each process. It ends with the process, whose end closes its socket."""
    return start().__enter__()


def verdicts(submission: Known, seeds: int) -> Counter[str]:
    """How often each verdict came out."""
    judge = whole if submission.header["verdict"] == "pass" else until_it_fails
    seeds_ = range(FIRST_SEED, FIRST_SEED + seeds)
    return Counter(judge(submission, seed, _server()) for seed in seeds_)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    bank = known("accepted") + known("wrong")
    started, other = time.monotonic(), 0
    with ProcessPoolExecutor(processes) as pool:
        for submission, counts in zip(bank, pool.map(verdicts, bank, repeat(seeds)), strict=True):
            if set(counts) != {submission.header["verdict"]}:
                other += 1
                wanted = submission.header["verdict"]
                print(f"{submission}: expected {wanted}, {dict(counts)}", flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"{len(bank)} submissions, {seeds} seeds, {minutes:.0f} minutes: {other} with another")


if __name__ == "__main__":
    main()
