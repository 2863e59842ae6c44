"""Whether, for each twist, plain GPT-2 and every other twist fail, and under which names.

    python -m tests.benchmarks.twists [TWIST...]

Each is judged by the checks that show the twist, and diagnosed, as in a grading. What is the same
text in all that the twist is about is judged once. Ends with the share that fails, and
the share of which the first name is the twist that is missing or another one that is there.
"""

from __future__ import annotations

import ast
import sys
import time
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.gpt2.diagnosis import diagnose
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import CLASSES
from grader.gpt2.twist_bugs import CHECKS
from grader.gpt2.twists import BY_NAME
from grader.merits import STANDS_ON
from grader.running import run_checks
from grader.sandbox.client import Server, start
from tests.bank import ROOT, path_of

_GPT2 = EXERCISES["gpt2"]
_PLAIN = "plain GPT-2"


def handed_in(name: str) -> Path:
    """The worked solution with a twist, or without."""
    if name == _PLAIN:
        return ROOT / "solutions" / "gpt2.py"
    return path_of(f"twists/accepted/{name.replace('-', '_')}_solution")


def causes(twist: str, path: Path, server: Server) -> tuple[bool, list[str]]:
    """Whether what is at the path fails where this twist is asked for, and what it is called."""
    exercise = _GPT2.twisted([twist])
    part = part_of(twist)
    wanted = [
        key
        for key, check in exercise.checks().items()
        if check.part == part and check.id in CHECKS[BY_NAME[twist].field]
    ]
    submission = exercise.read(path).anonymized(exercise.file)
    with exercise.subject(submission, server, 60.0) as subject:
        evidence = Evidence(subject, 1, asked=exercise.asked)
        results = run_checks(exercise, evidence, lambda result: None, only=wanted)
        found = diagnose(lambda part: evidence, results)
    return any(r.failed for r in results), [d.cause for d in found]


def part_of(twist: str) -> str:
    """The class that a twist is about; of one that is about all of them the shortest."""
    return BY_NAME[twist].part or "MLP"


def text_of(path: Path, part: str) -> str:
    """All of a file but the classes that have nothing to do with this one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    away = {*CLASSES} - {part, *STANDS_ON.get(part, ())}
    return "\n".join(
        ast.unparse(node) for node in tree.body if getattr(node, "name", "") not in away
    )


def main() -> None:
    """Print a line for each pair, and the shares."""
    pairs = failing = named = 0
    with start() as server:
        for twist in sys.argv[1:] or BY_NAME:
            known: dict[str, tuple[bool, list[str]]] = {}
            for other in (_PLAIN, *BY_NAME):
                path = handed_in(other)
                if _asked_and_there(twist, other):
                    continue
                text = text_of(path, part_of(twist))
                started = time.process_time()
                if text not in known:
                    known[text] = causes(twist, path, server)
                fails, found = known[text]
                pairs += 1
                failing += fails
                right = bool(found) and found[0].startswith(("without-", "unasked-"))
                named += right
                sign = "" if fails and right else "  ←"
                seconds = time.process_time() - started
                print(
                    f"{twist:<16}{other:<16}{seconds:5.1f} s  {', '.join(found)}{sign}", flush=True
                )
    print(f"{failing} of {pairs} fail, {named} of them by name")


def _asked_and_there(twist: str, other: str) -> bool:
    """Whether this is the twist itself; plain solutions have a tied head, and others too."""
    if twist == "tied-head":
        return other != "untied-head"
    return other == twist


if __name__ == "__main__":
    main()
