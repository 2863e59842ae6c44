"""The same verdict for every submission of the bank under many seeds.

python -m tests.benchmarks.seeds [SEEDS] [PROCESSES]
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from grader.grading import Options, grade
from grader.remote import ForkServer
from grader.worker.lockdown import Limits
from tests.bank import Known, known


def verdicts(submission: Known, seeds: range) -> Counter[str]:
    """How often each verdict came out. A server for each submission, to be fair to none."""
    with ForkServer(Limits()) as server:
        return Counter(
            grade(submission.path, Options(seed=seed), server=server).verdict for seed in seeds
        )


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    bank = known("accepted") + known("wrong")
    wrong = 0
    with ProcessPoolExecutor(processes) as pool:
        found = pool.map(verdicts, bank, repeat(range(100, 100 + seeds)))
        for submission, counts in zip(bank, found, strict=True):
            if set(counts) != {submission.header["verdict"]}:
                wrong += 1
                print(f"{submission}: expected {submission.header['verdict']}, {dict(counts)}")
    print(f"{len(bank)} submissions, {seeds} seeds: {wrong} with another verdict than theirs")


if __name__ == "__main__":
    main()
