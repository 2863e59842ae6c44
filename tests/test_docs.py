"""What the documents say can be done, can be done."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

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


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_commands(line: str, tmp_path: object) -> None:
    if line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e "):
        return  # these two set everything up: CI runs one, and a person the other
    words = shlex.split(line.replace("report.json", f"{tmp_path}/report.json"))
    assert words[0].startswith(".venv/bin/")
    command = ["-m", "grader"] if words[0].endswith("/grader") else []
    done = subprocess.run(
        [sys.executable, *command, *words[1:]],
        cwd=ROOT,
        env={**os.environ, "GRADER_STATE": str(tmp_path)},
        timeout=120,
        check=False,
    )
    allowed = {1} if line.endswith("grader grade") else {0}
    if "--untrusted" in line:
        allowed.add(2)  # a machine that cannot lock it in says so
    assert done.returncode in allowed


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
