"""Who imports whom: the parent has no torch, the worker no answers, and no room looks back."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bank import ROOT

GRADER = ROOT / "grader"
TRUSTED = "grader.cli, grader.grading, grader.exercises.conftest, grader.report.terminal"
WORKER = "grader.sandbox.worker"
# What a worker may import of this package.
UNTRUSTED = ("grader.sandbox.wire", WORKER)
# Rooms inside a room. What names bugs, and what runs all checks, stand above each exercise.
INNER = (
    *("grader.gpt2.diagnosis", "grader.exercises.conftest", "grader.exercises.debug"),
    *("grader.sandbox.client", "grader.sandbox.wire", WORKER),
)
# A folder to debug is made of several exercises and judged by all that stands above; what takes
# any exercise asks for it where it meets one, inside a function.
DEBUG = "grader.exercises.debug"
DOORS = {f"grader.{room}" for room in ("catalogue", "grading", "hints", "report")}
FACADE = "grader"  # it brings the API when it is asked for


def runs_in_worker(file: Path) -> bool:
    return file.name == "in_worker.py" or file.is_relative_to(GRADER / "sandbox" / "worker")


WORKER_FILES = [file for file in sorted(GRADER.rglob("*.py")) if runs_in_worker(file)]
PARENT_FILES = [file for file in sorted(GRADER.rglob("*.py")) if not runs_in_worker(file)]


def test_the_trusted_side_imports_no_torch() -> None:
    code = (
        f"import sys, {TRUSTED}\n"
        "from grader.catalogue import EXERCISES\n"
        "[exercise.checks() for exercise in EXERCISES.values()]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_parent_has_no_torch() -> None:
    for file in PARENT_FILES:
        assert not any(module.split(".")[0] == "torch" for module in imported(file)), file


@pytest.mark.parametrize("file", WORKER_FILES, ids=lambda file: str(file.relative_to(GRADER)))
def test_the_worker_imports_nothing_of_the_parent(file: Path) -> None:
    for module in imported(file):
        if module.split(".")[0] == "grader":
            assert module in ("grader", "grader.exercises") or module.startswith(UNTRUSTED), module


def test_what_an_exercise_brings_to_the_worker_knows_nothing_of_the_wire() -> None:
    for file in WORKER_FILES:
        if file.name == "in_worker.py":
            assert "grader.sandbox.wire" not in imported(file), file


def test_no_room_looks_back() -> None:
    imports = {room: set[str]() for room in map(room_of, map(module_of, PARENT_FILES))}
    for file in PARENT_FILES:
        room = room_of(module_of(file))
        found = {room_of(module) for module in imported(file)} - {room, FACADE, WORKER}
        if room in DOORS and DEBUG not in map(room_of, imported(file, at_once=True)):
            found.discard(DEBUG)
        imports[room] |= found
    del imports[FACADE]
    order = list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError
    assert order.index("grader.sandbox.client") < order.index("grader.gpt2")
    assert order.index("grader.exercises") < order.index("grader.grading")


def room_of(module: str) -> str:
    """The first folder or module below the package, or one of the inner rooms."""
    inner = [room for room in INNER if f"{module}.".startswith(f"{room}.")]
    return inner[0] if inner else ".".join(module.split(".")[:2])


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(file: Path, at_once: bool = False) -> list[str]:
    """Modules of this package, and others, that a file imports, with what it takes from them.

    at_once: without what is imported inside functions, or for types alone.
    """
    found = []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in below if is_module(name)] or [node.module]
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
