"""What the documents say can be done, can be done."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from grader import cli, session
from grader.bugs import CAUSES
from grader.catalogue import EXERCISES, Exercise
from lab import cli as lab_cli
from tests.bank import ROOT

BLOCKS = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [body for kind, body in BLOCKS.findall(text) if kind == language]


# Whose commands are run, in this order.
DOCUMENTS = (
    *("README.md", "docs/practising.md", "docs/hand-ins.md", "docs/guarantees.md"),
    *("docs/developing.md", "exercises/README.md"),
)
COMMANDS = [
    line
    for file in DOCUMENTS
    for body in blocks(file, "bash")
    for line in body.strip().splitlines()
]


# What the documents make, in a folder of the test's own; in the order in which they make it.
MADE = ("report.json", "report.html", "progress.html", "my-attempt", "results", "results.xml")


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


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_the_command_of_a_brief_works_in_its_folder(exercise: Exercise, tmp_path: Path) -> None:
    (line,) = [block.strip() for block in blocks(f"exercises/{exercise.brief}", "console")]
    assert line == f"grader grade {exercise.file}"
    session.start(tmp_path / "a", 1, exercise.name)
    if exercise.base_needed and exercise.base:
        shutil.copy(ROOT / "solutions" / "gpt2.py", tmp_path / "a")
    done = subprocess.run(
        [sys.executable, "-m", *line.split()],
        cwd=tmp_path / "a",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"TODO  0 of 100 points  {exercise.name}: {exercise.file}")


def test_a_base_elsewhere_is_found_from_the_folder_of_the_brief() -> None:
    brief = (ROOT / "exercises" / "pretrained.md").read_text(encoding="utf-8")
    (option,) = re.findall(r"`(--base \S+)`", brief)
    done = subprocess.run(
        [sys.executable, "-m", "grader", "grade", "pretrained.py", *option.split()],
        cwd=ROOT / "exercises",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("TODO  0 of 100 points  pretrained: pretrained.py")


_TEXTS = (
    *ROOT.glob("*.md"),
    *(p for f in ("docs", "exercises", "examples") for p in (ROOT / f).glob("*.md")),
)


@pytest.mark.parametrize("file", _TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_and_options_that_are_spoken_of_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    shown = [body for kind, body in BLOCKS.findall(text) if kind in ("bash", "console")]
    told = [line for body in shown for line in body.splitlines()]
    told += re.findall(r"`([^`\n]+)`", BLOCKS.sub("", text))
    for program, group in (("grader", cli.main), ("lab", lab_cli.main)):
        for words in re.findall(rf"(?:^|/|\s){program} ([a-z][a-z0-9 -].*)", "\n".join(told)):
            name, *rest = words.split()
            command = group.get_command(click.Context(group), name)
            assert command is not None, f"{program} {name}"
            known = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
            asked = {word.split("=")[0] for word in rest if word.startswith("--")}
            assert asked <= known | {"--help"}, words


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
    text = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    for name in re.findall(r"python -m tests\.benchmarks\.(\w+)", text):
        assert (ROOT / "tests" / "benchmarks" / f"{name}.py").is_file(), name


def test_links_lead_somewhere() -> None:
    guides = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
    for file in ("README.md", "CONTRIBUTING.md", "examples/README.md", *guides):
        text = (ROOT / file).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("https://"):
                assert (ROOT / file).parent.joinpath(target).exists(), (file, target)


def test_the_guide_speaks_of_checks_and_causes_that_there_are() -> None:
    text = (ROOT / "docs" / "interviewing.md").read_text(encoding="utf-8")
    table = text.split("## What a failing check tells")[1].split("## Remarks")[0]
    ids = {check.id for check in EXERCISES["gpt2"].checks().values()}
    known = ids | set(CAUSES) | {"error", "timeout", "violation"}
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row):
            pattern = re.escape(name).replace(r"\*", ".+")
            assert any(re.fullmatch(pattern, item) for item in known), name


EXAMPLES = ROOT / "examples"
GRADER = f"{sys.executable} -m grader"


def test_the_gradescope_example_runs(tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "solutions" / "gpt2.py", tmp_path / "submission")
    program = tmp_path / "grader"
    program.write_text(f'#!/bin/sh\nexec {GRADER} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {**os.environ, "AUTOGRADER": str(tmp_path), "GRADER": str(program)}
    script = EXAMPLES / "gradescope" / "run_autograder"
    done = subprocess.run([str(script)], env=environment, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert found["score"] == 100
    (tmp_path / "submission" / "gpt2.py").unlink()
    done = subprocess.run([str(script)], env=environment, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert (found["score"], found["tests"]) == (0, [])
    assert "found no Python file" in found["output"]
    assert str(tmp_path) not in found["output"]


def test_the_classroom_example_runs(tmp_path: Path) -> None:
    file = EXAMPLES / "classroom" / ".github" / "workflows" / "classroom.yml"
    steps = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]["run-autograding-tests"][
        "steps"
    ]
    step = next(step for step in steps if step.get("id") == "gpt2")
    output = tmp_path / "output"
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(output)}
    script = step["run"].replace("--untrusted", "--untrusted --allow-weak-isolation")
    script = f'grader() {{ {GRADER} "$@"; }}\n{script.replace("grade .", "grade exercises")}'
    subprocess.run(["bash", "-e", "-c", script], env=environment, cwd=ROOT, timeout=120, check=True)
    result = output.read_text(encoding="utf-8").removeprefix("result=")
    found = json.loads(base64.b64decode(result))
    assert (found["status"], found["max_score"]) == ("fail", 100)
