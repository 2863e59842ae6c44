"""Whether what is printed of counterexamples is kept, over banks of wrong submissions.

    python -m tests.benchmarks.counterexamples [FOLDER …]

Each is run in a plain process beside the submission, where it has to print what was found, and
beside the worked solution, where it has to print what is expected.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.sandbox.client import start
from tests.bank import known
from tests.benchmarks.names import graded
from tests.counterexamples import broken_words
from tests.plain_python import PlainPython


def main() -> None:
    folders = sys.argv[1:] or ["wrong", *(f"{e}/wrong" for e in EXERCISES if e != "gpt2")]
    with start() as server, PlainPython() as python:
        for folder in folders:
            exercise = Path(folder).parent.name or "gpt2"
            told = broken = 0
            for submission in known(folder):
                report = graded(submission, exercise, server)
                told += sum(r.counterexample is not None for r in report.results)
                for words in broken_words(submission, exercise, report, python):
                    broken += 1
                    print(f"  {submission}: {words[:700]}", flush=True)
            print(f"{folder}: {told} counterexamples, {broken} broken words", flush=True)


if __name__ == "__main__":
    main()
