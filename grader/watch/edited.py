"""Which class a save was about."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from grader.submission import Submission


def edited(before: Submission | None, after: Submission, names: Sequence[str]) -> str:
    """The first of these classes that is written otherwise than before; "" if there is none."""
    if before is None:
        return ""
    old, new = _classes(before), _classes(after)
    return next((name for name in names if name in new and old.get(name) != new[name]), "")


def _classes(submission: Submission) -> dict[str, list[bytes]]:
    """The lines of every class, by its name; none of a file that does not parse."""
    found = {}
    for text in submission.files.values():
        try:
            nodes = ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
        lines = text.splitlines()
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                found[node.name] = lines[node.lineno - 1 : node.end_lineno]
    return found
