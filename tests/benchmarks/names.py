"""Whether the judge names the bug: a table of what was in a submission and what it was called.

    python -m tests.benchmarks.names [FOLDER …]

Without folders: the wrong bank, for which the first diagnosis counts; the accepted bank, which must
get none; two bugs in a class, and a bug in each of two classes, of which both must be named. Then
the same of every further exercise, whose folders are "generation/wrong" and so on.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.grading import Options, grade
from grader.results import Report
from grader.sandbox.client import Server, start
from tests.bank import Known, base_of, known


def graded(submission: Known, exercise: str, server: Server) -> Report:
    options = Options(exercise, seed=0, base=base_of(exercise, submission.path))
    return grade(submission.path, options, server=server)


def named(report: Report) -> list[tuple[str, str, str]]:
    """(part, cause, certainty) of each diagnosis, in order."""
    return [(d.part, d.cause, d.certainty) for d in report.diagnoses]


def show_wrong(
    bank: list[Known], exercise: str, server: Server, right: tuple[float, float]
) -> None:
    accepted = []
    certainties: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    seconds: list[tuple[float, str]] = []
    for submission in bank:
        report = graded(submission, exercise, server)
        seconds.append((report.seconds, str(submission)))
        if report.verdict != "fail":
            accepted.append(submission)
            print(f"  {submission}: {report.verdict}", flush=True)
        part, cause = submission.header["part"], submission.header["cause"]
        first = named(report)[0] if report.diagnoses else ("", "nothing", "")
        if first[:2] == (part, cause):
            certainties[first[2]] += 1
        else:
            confused[cause, f"{first[0]} {first[1]} {first[2]}"] += 1
            print(f"  {submission}: {part} {cause}, called {named(report)}", flush=True)
    print(f"{len(accepted)} of {len(bank)} wrong ones do not fail")
    named_first = sum(certainties.values())
    share = f"{named_first / len(bank):.1%}"
    print(f"{named_first} of {len(bank)} named first ({share}): {dict(certainties)}")
    median = statistics.median(time for time, _ in seconds)
    longest = ", ".join(f"{name} {time:.1f} s" for time, name in sorted(seconds)[-5:])
    print(f"median {median:.2f} s; longest: {longest}")
    for allowed, what in zip(right, ("the median", "the longest"), strict=True):
        over = sum(time > allowed + 2 for time, _ in seconds)
        print(f"{over} take over 2 s more than {what} of the right ones")
    for (cause, called), count in sorted(confused.items()):
        print(f"  {count} × {cause} called {called}")


def show_accepted(bank: list[Known], exercise: str, server: Server) -> tuple[float, float]:
    """Print what is wrongly said of right ones; the median and longest time that one takes."""
    reports = [graded(submission, exercise, server) for submission in bank]
    for submission, report in zip(bank, reports, strict=True):
        if report.diagnoses or report.verdict != "pass":
            failed = [r.check.id for r in report.results if r.failed]
            print(f"  {submission}: {report.verdict} {failed} {named(report)}")
    passed = sum(report.verdict == "pass" for report in reports)
    print(f"{passed} of {len(bank)} right ones pass")
    some = sum(bool(report.diagnoses) for report in reports)
    seconds = [report.seconds for report in reports]
    median = statistics.median(seconds)
    print(
        f"{some} of {len(bank)} right ones have a diagnosis; median {median:.2f} s, longest "
        f"{max(seconds):.2f} s"
    )
    return median, max(seconds)


def show_several(bank: list[Known], exercise: str, server: Server) -> None:
    complete = 0
    for submission in bank:
        report = graded(submission, exercise, server)
        part = submission.header.get("part", "")
        wanted = {w if ":" in w else f"{part}:{w}" for w in submission.header["causes"].split()}
        found = {f"{part}:{cause}" for part, cause, _ in named(report)}
        complete += wanted <= found
        if not wanted <= found:
            print(f"  {submission}: {' '.join(sorted(wanted))}, called {named(report)}", flush=True)
    print(f"{complete} of {len(bank)} with all bugs named ({complete / max(1, len(bank)):.0%})")


def main() -> None:
    further = [f"{e}/{kind}" for e in EXERCISES if e != "gpt2" for kind in ("accepted", "wrong")]
    folders = sys.argv[1:] or ["accepted", "wrong", "two_bugs", "two_classes", *further]
    right = (0.0, 0.0)
    with start() as server:
        for folder in folders:
            bank, kind = known(folder), Path(folder).name
            exercise = Path(folder).parent.name or "gpt2"
            print(f"{folder}:", flush=True)
            if kind == "accepted":
                right = show_accepted(bank, exercise, server)
            elif kind.startswith("two"):
                show_several(bank, exercise, server)
            else:
                show_wrong(bank, exercise, server, right)


if __name__ == "__main__":
    main()
