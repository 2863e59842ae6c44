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
from dataclasses import replace
from functools import cache
from itertools import repeat

import pytest

from grader.checks.catalogue import EXERCISES
from grader.checks.evidence import Evidence
from grader.checks.models import CLASSES
from grader.grading import Options, grade, run_checks
from grader.remote import ForkServer, Subject
from grader.report.model import CheckResult
from grader.submission import read
from grader.worker.lockdown import Limits
from tests.bank import Known, known

FIRST_SEED = 100


@cache
def _server() -> ForkServer:
    """One for each process. It ends with the process, whose end closes its socket."""
    return ForkServer(Limits()).__enter__()


def verdicts(submission: Known, seeds: int) -> Counter[str]:
    """How often each verdict came out."""
    judge = _whole if submission.header["verdict"] == "pass" else _until_it_fails
    return Counter(judge(submission, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds))


def _whole(submission: Known, seed: int) -> str:
    return grade(submission.path, Options(seed=seed), server=_server()).verdict


def _until_it_fails(submission: Known, seed: int) -> str:
    whole = EXERCISES["gpt2"]
    part = {c.part: name.split("::")[0] for name, c in whole.checks().items()}
    exercise = replace(whole, modules=(part[submission.header["part"]],))
    failed: list[str] = []

    def stop(result: CheckResult) -> None:
        if result.status not in ("pass", "not-run"):
            failed.append("internal" if result.status == "internal" else "fail")
            pytest.exit("one is enough")

    with Subject(read(submission.path, whole.file), _server(), CLASSES, 10.0) as subject:
        run_checks(exercise, Evidence(subject, seed), stop)
    return failed[0] if failed else "pass"


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
