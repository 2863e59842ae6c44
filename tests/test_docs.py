"""What the documents say can be done, can be done."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bank import ROOT

BLOCKS = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [body for kind, body in BLOCKS.findall(text) if kind == language]


COMMANDS = [
    line
    for file in ("README.md", "exercises/README.md")
    for body in blocks(file, "bash")
    for line in body.strip().splitlines()
]


# What the documents make, in a folder of the test's own; in the order in which they make it.
MADE = ("report.json", "report.html", "progress.html", "my-attempt")


def test_commands(tmp_path: Path) -> None:
    for line in dict.fromkeys(COMMANDS):
        if not line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e "):
            run(line, tmp_path)  # the two left out set everything up: CI runs one, a person both


def run(line: str, folder: Path) -> None:
    words = shlex.split(line)
    assert words[0].startswith(".venv/bin/")
    command = ["-m", "grader"] if words[0].endswith("/grader") else []
    arguments = [str(folder / word) if word in MADE else word for word in words[1:]]
    done = subprocess.run(
        [sys.executable, *command, *arguments],
        cwd=ROOT,
        env={**os.environ, "GRADER_STATE": str(folder)},
        timeout=120,
        check=False,
    )
    stubs = line.endswith(("grader grade", "grader grade my-attempt"))
    allowed = {1} if stubs else {0}
    if "--untrusted" in line:
        allowed.add(2)  # a machine that cannot lock it in says so
    assert done.returncode in allowed, line


@pytest.mark.parametrize("example", blocks("exercises/README.md", "python"))
def test_examples_of_the_brief(example: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=ROOT / "solutions",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    promised = [line.split("#")[-1].strip() for line in example.splitlines() if "print(" in line]
    assert done.stdout.split("\n")[:-1] == promised


def test_ci_calls_the_readmes_command() -> None:
    line = next(line for line in COMMANDS if "pytest -n auto" in line)
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_benchmarks_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"python -m tests\.benchmarks\.(\w+)", text):
        assert (ROOT / "tests" / "benchmarks" / f"{name}.py").is_file(), name
