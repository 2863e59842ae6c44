"""Starter notebooks: the brief, then a cell for each class or function of the stub."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from grader.catalogue import HANDOUT, Exercise

# Where this copy of the kit is published, such as "https://github.com/acme/gpt2-interview-kit"; ""
# while it is nowhere. Set by `python -m tests.published ADDRESS`, which makes anew what has it.
HOME = ""
FOLDER = "notebooks"  # of the repository, where they lie for Colab
_COLAB = "https://colab.research.google.com"
_SUCH = "  # in Colab: where your copy of the kit lies, as git+https://…"
_SETUP = """\
# Where the grader is not installed, as in Colab, fetch it from KIT.
import importlib.util

KIT = {kit!r}{such}
if importlib.util.find_spec("grader") is None:
    if not KIT:
        raise RuntimeError("Put into KIT where your copy of the kit lies: git+https://…")
    %pip install -q $KIT

%load_ext grader.notebook"""
_HOW = """\
## Your code

`%%grade NAME` in the first line of a cell runs the cell and grades that class or function, with
what the cells before define. Run a cell again as often as you like."""
_END = "from grader.notebook import check\n\ncheck({!r})"


def link(exercise: Exercise, home: str = HOME) -> str:
    """A link to an exercise's notebook for a file in docs/: one that opens it in Colab, if it is
    known where the kit lies.
    """
    file = f"{exercise.name}.ipynb"
    if not home.startswith("https://github.com/"):
        return f"[{file}](../{FOLDER}/{file})"
    place = home.removeprefix("https://github.com/")
    address = f"{_COLAB}/github/{place}/blob/main/{FOLDER}/{file}"
    return f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({address})"


def notebook(exercise: Exercise, home: str = HOME) -> str:
    """The starter notebook of an exercise, as JSON text. home: where the kit is published."""
    brief = (HANDOUT / exercise.brief).read_text(encoding="utf-8")
    stub = (HANDOUT / exercise.file).read_text(encoding="utf-8")
    cells = [
        ("markdown", brief.strip()),
        ("code", _SETUP.format(kit=f"git+{home}" if home else "", such="" if home else _SUCH)),
        ("markdown", _HOW),
        *(("code", text) for text in _pieces(stub, exercise.names)),
        ("markdown", "## All together"),
        ("code", _END.format(exercise.name)),
    ]
    found = {
        "cells": [_cell(number, kind, text) for number, (kind, text) in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    lines = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, **code, "source": lines}


def _pieces(stub: str, names: tuple[str, ...]) -> Iterator[str]:
    """The stub in order: what is to be written cell by cell, and what stands between."""
    lines = stub.splitlines()
    between: list[str] = []
    begun = 0
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names:
            start = min([node.lineno, *(item.lineno for item in node.decorator_list)]) - 1
            between += lines[begun:start]
            begun = node.end_lineno or start
            if text := "\n".join(between).strip():
                yield text
            between = []
            yield f"%%grade {node.name}\n" + "\n".join(lines[start:begun])
    if text := "\n".join(lines[begun:]).strip():
        yield text
