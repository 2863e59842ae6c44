"""What to do after a report: the last words of every form of it."""

from __future__ import annotations

import shlex

from grader.report.model import Report


def next_step(report: Report) -> str:
    """One or two sentences that begin with "Next:"."""
    if report.verdict == "pass":
        return "Next: nothing is left to do here. Explain your choices to somebody."
    if report.verdict == "internal":
        return (
            "Next: the grader itself failed, which counts neither for nor against the submission. "
            f"Please report this with the seed, {report.seed}."
        )
    if report.untouched:
        return (
            f"Next: open {report.file}, read the brief beside it (README.md), write "
            "CausalSelfAttention, and run this again."
        )
    if report.problems:
        first = report.problems[0][0].check.id
        return (
            f"Next: mend {first}, then run this again with --seed {report.seed}. "
            f"For a hint: {hint_command(first, report.path)}"
        )
    part = next(r.check.part for r in report.results if r.status == "todo")
    return f"Next: write {part}, and run this again."


def hint_command(topic: str, path: str) -> str:
    """What shows the next hint for a check or a cause."""
    return shlex.join(["grader", "hint", topic, path])


def replay_command(report: Report) -> str:
    """What draws the same cases again for the same submission."""
    options = ["--seed", str(report.seed)]
    options += [] if report.policy == "from-scratch" else ["--policy", report.policy]
    return shlex.join(["grader", "grade", report.path, "--exercise", report.exercise, *options])
