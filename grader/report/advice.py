"""What to do after a report: the last words of every form of it."""

from __future__ import annotations

import shlex
from pathlib import Path

from grader.catalogue import DEBUG, EXERCISES
from grader.program import PROGRAM
from grader.report.focus import focuses
from grader.results import Report
from grader.vocabulary import NEW_BUGS, UNTOLD


def next_step(report: Report, program: str = PROGRAM) -> str:
    """One or two sentences that begin with "Next:". program: what to type for the grader."""
    if report.verdict == "pass" and report.problems:
        first = report.problems[0][0].check.id
        return f"Next: it passes. For the rest of the points, fix {first}."
    if report.verdict == "pass" and report.only:
        return f"Next: {report.only} is done. Without --only all is graded."
    following = "" if report.twists else _following(report.exercise)
    if report.verdict == "pass" and following:
        return f"Next: the exercise {following}. `{program} next` lays it out."
    if report.verdict == "pass":
        return "Next: nothing is left to do here. Explain your choices to somebody."
    if report.verdict == "internal":
        return (
            "Next: the grader itself failed, which counts neither for nor against the submission. "
            f"Please report this with the seed, {report.seed}."
        )
    if report.verdict == "ungraded":
        return (
            "Next: look at it. It was not graded, which counts neither for nor against the "
            "submission."
        )
    if report.unreadable:
        return "Next: fix that, then run this again."
    if report.exercise == DEBUG and any(r.cause == UNTOLD for r in report.results):
        return _with_bugs_left(report, program)
    if report.untouched:
        exercise = EXERCISES.get(report.exercise, EXERCISES["gpt2"])
        return (
            f"Next: open {report.file}, read the brief beside it ({exercise.brief}), write "
            f"{exercise.names[0]}, and run this again."
        )
    if found := [focus for focus in focuses(report) if not focus.todo]:
        if not found[0].topics:
            return "Next: fix that line, then run this again."
        hint = hint_command(found[0].topics[0], report.path, program, report.twists)
        return f"Next: fix this, then run it again. For a hint:\n  {hint}"
    return f"Next: write {_unwritten(report)}, and run this again."


def _with_bugs_left(report: Report, program: str) -> str:
    """What to do about a folder to debug: for the interviewer, if it was graded by the sheet."""
    hint = hint_command("bug", report.path, program)
    if any(result.id == NEW_BUGS for result in report.results):
        return f"Next: talk about what is left. A hint to read out:\n  {hint} --sheet FILE"
    return (
        "Next: find what is behind a no, fix it, and run this again. If you practise alone,\n"
        f"  {hint}\ngives a hint."
    )


def _following(name: str) -> str:
    """The exercise after this one in the path, if there is one."""
    names = list(EXERCISES)
    return names[names.index(name) + 1] if name in names[:-1] else ""


def _unwritten(report: Report) -> str:
    """The first class that is to do, or the file if it is one of functions."""
    todo = next((r for r in report.results if r.status == "todo"), None)
    if todo is None:
        return "what is missing"
    exercise = EXERCISES.get(todo.check.id.split(".")[0])
    if exercise is None or exercise.name == "gpt2":
        return todo.check.part
    return f"{exercise.file} (its brief is {exercise.brief})"


def hint_command(
    topic: str, path: str, program: str, twists: tuple[str, ...] = (), sheet: Path | None = None
) -> str:
    """What shows the next hint for a check or a cause."""
    options = twist_options(twists) + ([] if sheet is None else ["--sheet", str(sheet)])
    return f"{program} {shlex.join(['hint', topic, path, *options])}"


def twist_options(twists: tuple[str, ...]) -> list[str]:
    """What says with which twists it was asked."""
    return ["--twist", ",".join(twists)] if twists else []


def replay_command(report: Report) -> str:
    """What draws the same cases again for the same submission, wherever it is typed."""
    options = ["--seed", str(report.seed)]
    options += ["--only", report.only] if report.only else []
    options += twist_options(report.twists)
    options += ["--base", report.base] if report.base else []
    options += [] if report.policy == "from-scratch" else ["--policy", report.policy]
    return shlex.join([PROGRAM, "grade", report.path, "--exercise", report.exercise, *options])
