"""The command as a person runs it: exit codes, messages, the JSON report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.bank import FOLDER, ROOT
from tests.conftest import without_times

Command = Callable[..., CompletedProcess[str]]
UNMASKED = FOLDER / "wrong" / "mask_none_no_mask_at_all.py"


def test_reference(command: Command, tmp_path: Path) -> None:
    done = command("grade", "solutions/gpt2.py", "--json", tmp_path / "out" / "report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[0].startswith("PASS  100 of 100 points")
    assert lines[-1].startswith("Next: ")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["schema_version"] == 1
    assert report["passed"] is True
    assert (report["verdict"], report["score"], report["max_score"]) == ("pass", 100, 100)
    assert report["submission"]["path"] == "solutions/gpt2.py"
    assert report["isolation"]["level"] in ("full", "process")
    assert [part["name"] for part in report["parts"]] == [
        "CausalSelfAttention",
        "MLP",
        "TransformerBlock",
        "GPT2",
    ]
    assert {check["status"] for check in report["checks"]} == {"pass"}


def test_stubs(command: Command) -> None:
    done = command("grade")
    assert done.returncode == 1
    assert done.stdout.startswith("TODO")
    assert "exercises/gpt2.py" in done.stdout


def test_wrong_submission(command: Command) -> None:
    done = command("grade", UNMASKED, "--seed", 5, "-v")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL")
    assert "sees the future" in done.stdout
    assert "seed 5," in done.stdout


def test_same_seed_same_report(command: Command, tmp_path: Path) -> None:
    texts = []
    for number in (1, 2):
        file = tmp_path / f"{number}.json"
        command("grade", UNMASKED, "--seed", 7, "--json", file)
        texts.append(without_times(json.loads(file.read_text(encoding="utf-8"))))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grade", "no/such/file.py"], "no such file or folder"),
        (["grade", "--exercise", "gpt3"], "there is no exercise 'gpt3'"),
        (["grade", "--policy", "none"], "Invalid value for '--policy'"),
        (["grade", "--sed", "1"], "Did you mean"),
        (["grad"], "No such command"),
        (["grade", "exercises", "--json", "README.md/report.json"], "could not be written"),
    ],
)
def test_unusable_input(command: Command, arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("path", "words"),
    [("README.md", "not a Python file"), ("tests", "expected one gpt2.py, found")],
)
def test_what_cannot_be_read_is_ungraded(
    command: Command, tmp_path: Path, path: str, words: str
) -> None:
    files = {name: tmp_path / name for name in ("json", "html", "junit", "gradescope", "classroom")}
    done = command("grade", path, *(x for name, file in files.items() for x in (f"--{name}", file)))
    assert done.returncode == 4
    assert done.stdout.startswith(f"UNGRADED  gpt2: {path}\n")
    assert words in " ".join(done.stdout.split())
    texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    assert all(words in text for text in texts.values())
    assert json.loads(texts["json"])["verdict"] == "ungraded"
    assert "0 of 100" not in "".join(texts.values())
    assert not any(word in texts["html"] for word in ("<h2>", "isolation", "<table"))


def test_list(command: Command) -> None:
    done = command("list")
    assert done.returncode == 0
    assert "gpt2  (gpt2.py, 100 points)" in done.stdout
    assert "attention.causal" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["grade", "--help"], ["list", "--help"]])
def test_help_has_an_example(command: Command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 0
    assert "Example: grader" in done.stdout


def test_checks_run_under_plain_pytest() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "grader/exercises", "--submission", str(UNMASKED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "test_causal" in done.stdout
    assert "3 failed" in done.stdout


def test_configuration_around_a_submission_takes_no_part(
    command: Command, tmp_path: Path, reference: str
) -> None:
    (tmp_path / "gpt2.py").write_text(reference, encoding="utf-8")
    (tmp_path / "conftest.py").write_text("raise SystemExit(0)", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only", encoding="utf-8")
    assert command("grade", tmp_path).returncode == 0


def test_leaves_nothing_where_it_is_called(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grader", "grade", str(ROOT / "solutions")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    done = subprocess.run(command, cwd=tmp_path / "here", env=environment, check=False)
    assert done.returncode == 0
    assert not [*(tmp_path / "here").iterdir(), *(tmp_path / "tmp").iterdir()]
