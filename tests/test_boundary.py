"""The trust boundary: the parent has no torch, the worker has no answers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bank import ROOT

TRUSTED = "grader.cli, grader.grading, grader.checks.conftest, grader.report.terminal"


def test_the_trusted_side_imports_no_torch() -> None:
    code = (
        f"import sys, {TRUSTED}\n"
        "from grader.checks.catalogue import EXERCISES\n"
        "[exercise.checks() for exercise in EXERCISES.values()]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


WORKER_FILES = sorted((ROOT / "grader" / "worker").glob("*.py"))


@pytest.mark.parametrize("file", WORKER_FILES, ids=lambda file: file.name)
def test_the_untrusted_side_knows_no_expected_value(file: Path) -> None:
    for module in imported(file):
        assert not module.startswith(
            ("grader.oracle", "grader.checks", "grader.report", "solutions")
        )


def test_reports_and_oracle_keep_to_their_rooms() -> None:
    for file in (ROOT / "grader" / "oracle").rglob("*.py"):
        for module in imported(file):
            assert not module.startswith("grader") or module.startswith("grader.oracle"), file
    for file in (ROOT / "grader" / "report").rglob("*.py"):
        for module in imported(file):
            assert not module.startswith(("grader.remote", "grader.worker", "grader.submission"))


def imported(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found
