"""A notebook as one Python text: what its code cells define, in order."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from grader.submission.needed import future_imports, needed_only
from grader.submission.text import Text, decoded, parsed, without_magics

_STARTS = re.compile(rb"\s*\{")
# Cells that run Python in another way; those of other magics are no Python.
_PYTHON = ("time", "timeit", "capture", "prun", "python", "python3", "writefile", "file", "grade")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*([^\n]*)\n?")
_TITLE = "# Code cell {}"


def is_notebook(raw: bytes) -> bool:
    """Whether the bytes are a notebook's, whatever the file is called."""
    return _STARTS.match(raw) is not None and (b'"cells"' in raw or b'"worksheets"' in raw)


def as_python(raw: bytes, names: Collection[str]) -> Text:
    """What a notebook defines, as one text in which each cell begins with a line that says so.

    names: of the exercise. What is only run (training, plots, prints) is blanked, unless these
    need it; so are lines of IPython's own, and cells that are no Python and not needed.
    """
    try:
        cells = _code_cells(json.loads(decoded(raw)))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        return Text(raw, error=f"not a notebook that can be read ({error})")
    notes = ["its code cells were taken, in order; what they only run was left out"]
    read = _without_broken([_Cell.read(source) for source in cells], names, notes)
    lines: list[str] = []
    starts: list[tuple[int, int]] = []
    for number, cell in enumerate(read, 1):
        starts.append((len(lines) + 1, number))
        lines += [_TITLE.format(number), *cell.lines]
    text = "\n".join(lines) + "\n"
    tree = parsed(text)
    if tree is None:  # a __future__ import in a later cell, or what is no Python
        text, tree = _with_futures_first(text, read)
    if tree is not None:
        text = needed_only(text, tree, names)
    beside = {cell.file: "\n".join(cell.lines).encode() for cell in read if cell.file}
    return Text(text.encode(), tuple(starts), beside, tuple(notes))


@dataclass(frozen=True)
class _Cell:
    """A code cell. file: what it writes, for %%writefile."""

    lines: Sequence[str]
    file: str = ""

    @staticmethod
    def read(source: str) -> _Cell:
        """The cell without what is IPython's own; its lines keep their numbers."""
        found = _CELL_MAGIC.match(source)
        if found is None:
            return _Cell(without_magics(source).split("\n"))
        if found[1] not in _PYTHON:
            return _Cell([""])
        before = found.group().count("\n")
        rest = without_magics("\n" * before + source[found.end() :]).split("\n")
        writes = found[1] in ("writefile", "file") and not found[2].strip().startswith("-")
        return _Cell(rest, found[2].strip().strip("\"'") if writes else "")


def _code_cells(notebook: dict[str, Any]) -> list[str]:
    """The sources of the code cells, of format 4 or an older one. Raises ValueError and others."""
    about = notebook.get("metadata") or {}
    language = (about.get("language_info") or {}).get("name")
    language = language or (about.get("kernelspec") or {}).get("language")
    if isinstance(language, str) and "python" not in language.lower():
        raise ValueError(f"its language is {language}")
    cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    found = []
    for cell in cells:
        if cell["cell_type"] == "code":
            source = cell.get("source", cell.get("input", ""))
            text = source if isinstance(source, str) else "".join(source)
            found.append(text.replace("\r\n", "\n").replace("\r", "\n"))
    return found


def _without_broken(cells: list[_Cell], names: Collection[str], notes: list[str]) -> list[_Cell]:
    """The cells, those that are no Python as comments, if no other misses what they define."""
    trees = [parsed("\n".join(cell.lines)) for cell in cells]
    defined = {name for tree in trees if tree is not None for name in _defined(tree)}
    kept = []
    for number, (cell, tree) in enumerate(zip(cells, trees, strict=True), 1):
        wanted = set(re.findall(r"^(?:class|def)\s+(\w+)", "\n".join(cell.lines), re.MULTILINE))
        others = "\n".join(line for other in cells if other is not cell for line in other.lines)
        missed = [n for n in wanted - defined if n in names or re.search(rf"\b{n}\b", others)]
        if tree is None and not missed:
            notes.append(f"code cell {number} was left out, which is no Python")
            cell = _Cell([f"# {line}" for line in cell.lines])
        kept.append(cell)
    return kept


def _defined(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def _with_futures_first(text: str, cells: Sequence[_Cell]) -> tuple[str, ast.Module | None]:
    """The text with all __future__ imports in its first line, where they belong."""
    names: list[str] = []
    for cell in cells:
        tree = parsed("\n".join(cell.lines))
        names += future_imports(tree) if tree is not None else []
    if not names:
        return text, None
    lines = [
        "" if re.match(r"from\s+__future__\s+import\b", line) else line for line in text.split("\n")
    ]
    lines[0] = f"from __future__ import {', '.join(dict.fromkeys(names))}"
    changed = "\n".join(lines)
    return changed, parsed(changed)
