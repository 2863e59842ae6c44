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
Verdict = Literal["pass", "fail", "internal"]
# Of a diagnosis: shown by equality, or only observed.
Certainty = Literal["exact", "likely"]
IsolationLevel = Literal["full", "process", "none"]
# The cause of a part that does not parse: no bug of the catalogue, there is nothing to search.
UNPARSED = "syntax-error"
Policy = Literal["from-scratch", "any"]
