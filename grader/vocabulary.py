"""The fixed words of a grading, as every part of the grader and its reports use them."""

from __future__ import annotations

from typing import Literal

# Of a check. `internal` is the grader's own failure, for which nobody loses points.
Status = Literal[
    "pass",
    "fail",
    "error",
    "timeout",
    "memory",
    "protocol",
    "violation",
    "todo",
    "not-run",
    "internal",
]
# `ungraded`: nothing of it could be read, so that a person has to look.
Verdict = Literal["pass", "fail", "ungraded", "internal"]
# Of a diagnosis: shown by equality, or only observed.
Certainty = Literal["exact", "likely"]
IsolationLevel = Literal["full", "process", "none"]
# Causes that are no bugs of the catalogue, for which there is nothing to search: of a part that
# does not parse, and of one that has others do its work.
UNPARSED = "syntax-error"
NOT_FROM_SCRATCH = "not-from-scratch"
# Of what fails for a reason that the candidate is to find.
UNTOLD = "untold"
NEW_BUGS = "new-bugs"  # the check of a folder to debug that no plant accounts for
UNSEARCHED = (UNPARSED, NOT_FROM_SCRATCH, UNTOLD)
Policy = Literal["from-scratch", "any"]
# How much is told of a folder to debug: what users see, which checks fail, or which bugs they are.
Reveal = Literal["symptoms", "checks", "causes"]
