"""The same verdict for every submission of the bank under many seeds.

    python -m tests.benchmarks.seeds [SEEDS] [PROCESSES] [JOURNAL]

A right one is graded whole. For a wrong one the checks of the part that its header blames are run
until one fails, which makes the verdict. That takes hours: what is done stands in the journal, a
line of JSON for each submission, and a run that was broken off goes on from there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

from grader.sandbox.client import Server, start
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


def _recorded(journal: Path, seeds: int) -> dict[str, Counter[str]]:
    """What a journal says of as many seeds."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    found = {entry["submission"]: Counter(entry["verdicts"]) for entry in map(json.loads, lines)}
    return {name: counts for name, counts in found.items() if counts.total() == seeds}


def main() -> None:
    given = dict(enumerate(sys.argv))
    seeds = int(given.get(1, 50))
    processes = int(given.get(2, os.cpu_count() or 1))
    journal = Path(given.get(3, os.devnull))
    bank = known("accepted") + known("wrong")
    started, found = time.monotonic(), _recorded(journal, seeds)
    with ProcessPoolExecutor(processes) as pool, journal.open("a", encoding="utf-8") as record:
        waiting = {pool.submit(verdicts, k, seeds): str(k) for k in bank if str(k) not in found}
        for done in as_completed(waiting):
            name = waiting[done]
            found[name] = done.result()
            record.write(json.dumps({"submission": name, "verdicts": found[name]}) + "\n")
            record.flush()
    other = [k for k in bank if set(found[str(k)]) != {k.header["verdict"]}]
    for submission in other:
        wanted = submission.header["verdict"]
        print(f"{submission}: expected {wanted}, {dict(found[str(submission)])}")
    minutes = (time.monotonic() - started) / 60
    print(
        f"{len(bank)} submissions, {seeds} seeds, {minutes:.0f} minutes: {len(other)} with another"
    )


if __name__ == "__main__":
    main()
