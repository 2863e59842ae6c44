"""Linters and the type checker, and what a developer's check of the exercises asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from grader.catalogue import EXERCISES, Exercise
from tests.bank import ROOT

CHECKS = [check for exercise in EXERCISES.values() for check in exercise.checks().values()]


@pytest.mark.parametrize(
    "command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join
)
def test_linters(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_checks_are_complete() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.requirement.endswith("."), check.id
        assert len(check.hints) >= 3, check.id


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_exercises_are_complete(exercise: Exercise) -> None:
    assert (ROOT / "exercises" / exercise.file).is_file()
    assert (ROOT / "exercises" / exercise.brief).is_file()
    assert (ROOT / "solutions" / exercise.file).is_file()
    assert sum(check.points for check in exercise.checks().values()) == 100
