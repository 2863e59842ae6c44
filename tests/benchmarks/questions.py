"""What some checks say of some files, and what that costs in questions and processor time.

    python -m tests.benchmarks.questions [--seed N] [--exercise NAME] CHECK... -- FILE...

CHECK is an id, or its end (".ways"), or "all". Much cheaper than whole gradings, and counts do not
depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from grader.catalogue import EXERCISES, CheckFunction, Exercise
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.running import run_checks
from grader.sandbox.client import Server, start
from grader.sandbox.client.worker import Worker
from tests.bank import base_of


class Some(Exercise):
    """An exercise of which only some checks run."""

    wanted: tuple[str, ...] = ()

    def functions(self) -> dict[str, CheckFunction]:
        """Those that are wanted."""
        return {
            name: function
            for name, function in super().functions().items()
            if self.wanted == ("all",) or function.check.id.endswith(self.wanted)
        }


def counted() -> Counter[str]:
    """A count of all questions asked from now on, by their name."""
    asked: Counter[str] = Counter()
    plain = Worker.ask

    def ask(self: Worker, question: str, *args: Any, **header: Any) -> Any:
        asked[question] += 1
        return plain(self, question, *args, **header)

    pytest.MonkeyPatch().setattr(Worker, "ask", ask)
    return asked


def results(exercise: Exercise, path: Path, seed: int, server: Server) -> list[CheckResult]:
    """What the checks of an exercise say of a file or folder."""
    submission = exercise.read(path, base_of(exercise.name, path)).anonymized(exercise.file)
    with exercise.subject(submission, server, 10.0) as subject:
        return list(run_checks(exercise, Evidence(subject, seed), lambda result: None))


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seed", type=int, default=0)
    given.add_argument("--exercise", default="gpt2")
    given.add_argument("checks", nargs="+")
    before, after = sys.argv[1:], []
    if "--" in before:
        cut = before.index("--")
        before, after = before[:cut], before[cut + 1 :]
    options = given.parse_args(before)
    whole = EXERCISES[options.exercise]
    exercise = Some(**{name: getattr(whole, name) for name in whole.__dataclass_fields__})
    object.__setattr__(exercise, "wanted", tuple(options.checks))
    asked = counted()
    with start() as server:
        for path in map(Path, after):
            for result in results(exercise, path, options.seed, server):
                if result.status != "pass":
                    words = f"{result.cause} {result.message}"[:300]
                    print(f"{path.stem}: {result.check.id} {result.status}: {words}", flush=True)
            print(f"{path.stem}: {asked.total()} questions so far", flush=True)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    here, there = (usage.ru_utime + usage.ru_stime for usage in used)
    print(f"{asked.total()} questions, {here:.1f} s here, {there:.1f} s in workers: {dict(asked)}")


if __name__ == "__main__":
    main()
