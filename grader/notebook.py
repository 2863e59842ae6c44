"""For notebooks: `check()` and `%%grade` grade what the cells so far define.

    from grader.notebook import check
    check("MLP")

    %load_ext grader.notebook
    %%grade MLP

The cells are read, not the objects in memory: what is graded is a text, in the same locked worker
as ever.
"""

from __future__ import annotations

import ast
import atexit
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from grader import grade_all
from grader.api import Report, as_shown
from grader.catalogue import EXERCISES, Exercise
from grader.errors import GraderError
from grader.grading import Options
from grader.sandbox.client import Server, start
from grader.submission.text import parsed, without_magics

__all__ = ["check", "load_ipython_extension"]
_MAGIC = "grade"


def check(
    name: str = "",
    *,
    seed: int | None = None,
    base: str | Path | None = None,
    twists: Sequence[str] = (),
) -> Report:
    """Grade what the notebook so far defines. It shows itself as a page.

    name: a class or function of an exercise, which alone is graded; or an exercise; "" for all of
    the exercise whose names are defined. seed: of everything drawn. base: the folder of the
    exercise that this one builds on, if its gpt2.py is not in the notebook's folder. twists: of
    gpt2, by name, what its brief asks in place of GPT-2's own choices.

    Raises a GraderError if this is no notebook, or if there is no such name.
    """
    shell = _shell()
    if shell is None:
        raise GraderError(
            "check() reads a notebook's cells. For a file there is grader.grade(path)."
        )
    return _graded(list(shell.history_manager.input_hist_raw), name, seed, base, twists)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext grader.notebook` does: there is a `%%grade` from then on."""

    def grade(line: str, cell: str) -> Report | None:
        """Run the cell, and grade it with what the notebook so far defines. NAME as for check."""
        if shell.run_cell(cell).error_before_exec:
            return None
        return check(line.strip())

    shell.register_magic_function(grade, "cell", _MAGIC)


def _shell() -> Any:
    """What runs the cells, if this is a notebook."""
    running = sys.modules.get("IPython")
    return running.get_ipython() if running else None


def _graded(
    cells: Sequence[str],
    name: str,
    seed: int | None,
    base: str | Path | None,
    twists: Sequence[str] = (),
) -> Report:
    """Grade cells, of which the one at 0 is none."""
    kept = _newest(cells)
    exercise, only = _meant(name, kept)
    asked = exercise.twisted(twists).twists
    beside = _base(exercise) if base is None else Path(base)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{exercise.name}.ipynb")
        file.write_text(json.dumps(_notebook(kept[1:])), encoding="utf-8")
        options = Options(exercise.name, seed, base=beside, only=only, twists=asked)
        found = grade_all.grade(file, options, lambda result: None, _server())
    return as_shown(replace(found, path="this notebook", file=file.name))


def _base(exercise: Exercise) -> Path | None:
    """The notebook's folder, if what the exercise builds on is there."""
    if exercise.base is None:
        return None
    return Path.cwd() if (Path.cwd() / EXERCISES[exercise.base].file).exists() else None


def _newest(cells: Sequence[str]) -> list[str]:
    """The cells, those left empty all of whose names a later one defines anew."""
    names = [_defined(cell) for cell in cells]
    kept = []
    for number, cell in enumerate(cells):
        later = set[str]().union(*names[number + 1 :])
        kept.append("" if names[number] and names[number] <= later else cell)
    return kept


def _defined(cell: str) -> set[str]:
    """What a cell binds; nothing of what does not parse."""
    tree = parsed(without_magics(_body(cell)))
    found: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        else:
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found


def _body(cell: str) -> str:
    first, _, rest = cell.lstrip().partition("\n")
    return rest if first.startswith(f"%%{_MAGIC}") else cell


def _meant(name: str, cells: Sequence[str]) -> tuple[Exercise, str]:
    """Which exercise a name is of, and which class or function alone."""
    if name in EXERCISES:
        return EXERCISES[name], ""
    for exercise in EXERCISES.values():
        for own in exercise.names:
            if own.lower() == name.lower():
                return exercise, own
    if name:
        known = ", ".join([*EXERCISES, *(n for e in EXERCISES.values() for n in e.names)])
        raise GraderError(
            f"{name!r}: expected the name of an exercise, a class or a function: {known}"
        )
    defined = set[str]().union(*map(_defined, cells))
    return max(EXERCISES.values(), key=lambda exercise: len(defined & set(exercise.names))), ""


def _notebook(cells: Sequence[str]) -> dict[str, Any]:
    """What is read as a notebook of these code cells."""
    found = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    return {"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@cache
def _server() -> Server:
    """One that stays warm as long as the notebook runs."""
    server = start()
    atexit.register(server.close)
    return server
