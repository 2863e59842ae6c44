"""Lines for editors and build servers, and the files that `start` lays out for VS Code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from grader import session, workspace
from grader.report.editors import as_lines, problems
from grader.results import Mark, Report
from tests.bank import FOLDER
from tests.conftest import Grade

Command = Callable[..., CompletedProcess[str]]
WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


@pytest.fixture(scope="module", name="report")
def _report(judge: Grade) -> Report:
    return judge(WRONG, seed=3, only="CausalSelfAttention")


def test_vs_code_finds_the_line(report: Report) -> None:
    (task, _) = json.loads(workspace.files("grader", "gpt2")[".vscode/tasks.json"])["tasks"]
    pattern = task["problemMatcher"]["pattern"]
    first, *_, last = as_lines("vscode", report).splitlines()
    found = re.match(pattern["regexp"], first)
    assert found
    assert found[pattern["file"]].endswith("mask_none_sdpa_not_causal.py")
    assert found[pattern["line"]] == "68"
    assert found[pattern["severity"]] == "error"
    assert found[pattern["message"]].startswith("CausalSelfAttention: mask-none: This is attention")
    assert not re.match(pattern["regexp"], last)
    assert last == "FAIL  15 of 40 points"


def test_github_annotates_the_line(report: Report) -> None:
    first, *_, last = as_lines("github", report).splitlines()
    assert re.match(r"::error file=.*\.py,line=68,title=CausalSelfAttention%3A mask-none::", first)
    assert last == "::error title=grader::FAIL  15 of 40 points"


def test_json_lines(report: Report) -> None:
    entries = [json.loads(line) for line in as_lines("json-lines", report).splitlines()]
    kinds = [entry["kind"] for entry in entries]
    assert kinds == sorted(kinds, key=["check", "problem", "report"].index)
    assert len(report.results) == kinds.count("check")
    assert entries[-1]["score"] == 15
    problem = next(entry for entry in entries if entry["kind"] == "problem")
    assert (problem["line"], problem["title"]) == (68, "CausalSelfAttention: mask-none")


def test_words_of_a_submission_end_no_annotation(report: Report) -> None:
    failed = next(result for result in report.results if result.failed)
    result = replace(failed, message="it\n::error::x %0A,", follows="", cause="")
    hostile = replace(report, results=(result,), diagnoses=(), marks=(Mark("a,b.py", 1, "it"),))
    *lines, _ = as_lines("github", hostile).splitlines()
    assert len(lines) == 1
    assert "%250A" in lines[0]


def test_what_does_not_parse_has_its_line(judge: Grade, write: Callable[[str], Path]) -> None:
    (found,) = problems(judge(write("import torch\n\nclass MLP(:\n    pass\n")))
    assert (found.severity, found.line, found.title) == ("error", 3, "does not parse")


def test_the_command_prints_it(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "gpt2.py"
    file.write_text("x = (\n", encoding="utf-8")
    done = command("grade", file, "--format", "vscode")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{file}:1:1: error: does not parse: ")


def test_start_lays_out_tasks_and_a_container(tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    session.start(folder, 30, "generation")
    tasks = json.loads((folder / ".vscode" / "tasks.json").read_text("utf-8"))["tasks"]
    assert [task["label"] for task in tasks] == ["grader: grade", "grader: watch"]
    assert "--exercise generation --format vscode" in tasks[0]["command"]
    container = json.loads((folder / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert "pip install" in container["postCreateCommand"]
