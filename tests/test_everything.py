"""All exercises in one report."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.catalogue import ALL, EXERCISES
from grader.grade_all import grade
from grader.grading import Options
from grader.results import Report
from grader.sandbox.client import Server
from grader.submission import UnusableInput
from tests.bank import ROOT, path_of

Everything = Callable[..., Report]


@pytest.fixture(scope="module", name="everything")
def _everything(server: Server) -> Everything:
    def everything(path: Path, **options: object) -> Report:
        return grade(path, Options(ALL, 0, **options), lambda result: None, server)

    return everything


def test_the_references_pass(everything: Everything) -> None:
    report = everything(ROOT / "solutions")
    problems = {r.check.id: f"{r.status}: {r.message}" for r in report.results if r.failed}
    assert report.verdict == "pass", problems
    assert report.score == report.max_score == 100 * len(EXERCISES)
    assert report.exercise == ALL
    checks = [check for exercise in EXERCISES.values() for check in exercise.checks().values()]
    assert [r.check.id for r in report.results] == [check.id for check in checks]
    parts = [part["name"] for part in report.as_json()["parts"]]
    assert len(parts) == len(set(parts))
    assert {"CausalSelfAttention", "generation: Greedy"} <= set(parts)


def test_the_stubs_are_todo(everything: Everything) -> None:
    report = everything(ROOT / "exercises")
    assert report.untouched
    assert report.verdict == "fail"


def test_what_is_not_there_is_todo(everything: Everything, tmp_path: Path) -> None:
    shutil.copy(ROOT / "solutions" / "generation.py", tmp_path)
    report = everything(tmp_path)
    assert report.verdict == "fail"
    assert report.score == 100
    first = report.results[0]
    assert (first.status, first.message) == ("todo", "there is no gpt2.py")


def test_what_cannot_be_read_fails_alone(everything: Everything, tmp_path: Path) -> None:
    for name in ("generation", "pretrained"):
        shutil.copy(ROOT / "solutions" / f"{name}.py", tmp_path)
    report = everything(tmp_path)
    assert report.score == 100
    assert report.verdict == "ungraded"
    waits = [r for r in report.results if r.status == "not-run" and r.message]
    said = {r.check.id.split(".")[0]: r.message for r in waits}
    assert list(said) == ["pretrained"]
    assert not any(r.failed for r in report.results)
    assert "this exercise builds on gpt2.py, found none" in said["pretrained"]


def test_one_wrong_one_fails_alone(everything: Everything, tmp_path: Path) -> None:
    for file in (ROOT / "solutions").glob("*.py"):
        shutil.copy(file, tmp_path)
    wrong = path_of("generation/wrong/argmin")
    shutil.copy(wrong, tmp_path / "generation.py")
    report = everything(tmp_path)
    assert report.verdict == "fail"
    assert {r.check.id.split(".")[0] for r in report.results if r.failed} == {"generation"}
    assert report.diagnoses[0].part == "generation: Greedy"
    assert report.diagnoses[0].cause == "least-probable"


def test_there_must_be_something(everything: Everything, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"at least one of gpt2\.py"):
        everything(tmp_path)
    with pytest.raises(UnusableInput, match="give the folder"):
        everything(ROOT / "solutions" / "gpt2.py")


def test_the_commands_take_it(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    done = command("grade", "exercises", "--exercise", ALL, "--json", file)
    assert done.returncode == 1, done.stderr
    assert json.loads(file.read_text())["exercise"] == ALL
    for arguments in (["batch", "tests", "--out", tmp_path / "x"], ["list", "--rubric"]):
        refused = command(*arguments, "--exercise", ALL)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
    folder = tmp_path / "session"
    assert command("start", folder, "--exercise", ALL).returncode == 0
    assert {exercise.file for exercise in EXERCISES.values()} <= {f.name for f in folder.iterdir()}
