"""The path: minutes of the briefs, what comes next, stubs put back, bugs and hints on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from grader import path, session
from grader.catalogue import EXERCISES
from grader.files import SESSION_FILE
from grader.report import html
from grader.report.advice import next_step
from grader.results import Report
from tests.bank import ROOT
from tests.browser import (
    assert_everybody_can_use_it,
    browser_of_module,  # noqa: F401  # a fixture
    look,
    needs_browser,
)
from tests.conftest import Grade

Command = Callable[..., CompletedProcess[str]]
OLD, NEW = "class MLP:\n    pass\n", "class MLP:\n    x = 1\n    y = 2\n"


def grading(minutes: float, *causes: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        **{"kind": "grading", "minutes": minutes, "verdict": "fail", "score": 10, "max_score": 100},
        **{"parts": {"MLP": [10, 15], "GPT2": [0, 25]}, "sha256": "a", "causes": causes},
        **more,
    }


@pytest.fixture(name="attempt")
def _attempt(tmp_path: Path) -> Path:
    """A session in which two bugs are met, and one is fixed after a hint."""
    folder = tmp_path / "attempt"
    session.start(folder, 30)
    both = ("MLP", "relu"), ("GPT2", "no-position")
    session._append(
        folder / SESSION_FILE,
        [
            grading(1, untouched=True),
            {"kind": "text", "sha256": "a", "files": {"gpt2.py": OLD}},
            grading(2, *both),
            {"kind": "hint", "minutes": 3, "topic": "relu"},
            grading(4, *both, sha256="b"),
            {"kind": "text", "sha256": "b", "files": {"gpt2.py": NEW}},
            grading(7, ("GPT2", "no-position"), sha256="b"),
            grading(8, parts={"MLP": [15, 15]}, only="MLP", sha256="b"),
        ],
    )
    return folder


def test_minutes_are_those_of_the_brief(command: Command, tmp_path: Path) -> None:
    assert {name: e.minutes for name, e in EXERCISES.items()}["gpt2"] == 30
    assert command("start", tmp_path / "a", "--exercise", "tokenizer").returncode == 0
    assert session.read(tmp_path / "a").minutes == 45


def test_next_lays_out_one_after_the_other(command: Command, tmp_path: Path) -> None:
    done = command("next", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gpt2            30 minutes" in done.stdout
    assert f"cd {tmp_path / 'gpt2'}" in done.stdout
    assert "gpt2 --help" not in done.stdout
    # What is begun is not laid out again.
    assert f"watch {tmp_path / 'gpt2'}" in command("next", tmp_path).stdout
    whole = {"MLP": [15, 15], "GPT2": [25, 25]}
    passed = grading(5, verdict="pass", score=40, parts=whole)
    for name in EXERCISES:
        folder = tmp_path / name
        if not folder.exists():
            assert f"cd {folder}" in command("next", tmp_path / "gpt2").stdout
        if EXERCISES[name].base == "gpt2":
            assert (folder / "gpt2.py").read_text("utf-8") == "mine = 1\n"
        (folder / "gpt2.py").write_text("mine = 1\n", encoding="utf-8")
        session._append(folder / SESSION_FILE, [passed])
        if name == "training":
            break
    shown = command("next", tmp_path).stdout
    assert "✓ training" in shown
    assert shown.count("✓") == 4


def test_only_a_whole_pass_is_done(attempt: Path) -> None:
    session._append(attempt / SESSION_FILE, [grading(9, verdict="pass", only="MLP")])
    first = path.steps(attempt.parent)[0]
    assert not first.done
    assert first.words == f"begun in {attempt}, 10 points"


@pytest.mark.parametrize(
    ("name", "follows"), [("gpt2", "exercise generation"), (list(EXERCISES)[-1], "nothing is left")]
)
def test_a_pass_says_what_comes_next(judge: Grade, name: str, follows: str) -> None:
    report = Report(name, "p", "f", "0", 1, "any", "full", (), ())
    passed = judge(ROOT / "solutions" / "gpt2.py", only="MLP").results
    assert follows in next_step(Report(**{**vars(report), "results": passed}))


def test_reset_puts_the_stub_back_beside_a_copy(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "gpt2.py"
    file.write_text("mine = 1\n", encoding="utf-8")
    assert command("reset", file).returncode == 0
    assert file.read_bytes() == (ROOT / "exercises" / "gpt2.py").read_bytes()
    (copy,) = tmp_path.glob("*.bak")
    assert copy.read_text("utf-8") == "mine = 1\n"
    for wrong in (tmp_path / "other.py", tmp_path / "mlp.py", tmp_path / "generation.py"):
        done = command("reset", wrong)
        assert done.returncode == 2
        assert "expected a file of" in done.stderr or "no such file" in done.stderr


def test_bugs_and_hints_are_on_record(command: Command, attempt: Path) -> None:
    relu, position = path.met(session.read(attempt))
    assert (relu.cause, relu.first, relu.fixed, relu.hints) == ("relu", 2, 7, 1)
    assert position.fixed is None
    shown = command("progress", attempt).stdout
    assert "MLP: relu  at 2.0 min, fixed after 5.0, 1 hint" in shown
    assert "GPT2: no-position  since 2.0 min, not fixed yet" in shown
    assert "hints taken: 1 (relu)" in shown
    assert "1.0 min  10 of 100  todo" in shown


def test_a_hint_is_recorded(command: Command, attempt: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("GRADER_STATE", str(attempt.parent))
    assert command("hint", "relu", attempt).returncode == 0
    lines = (attempt / SESSION_FILE).read_text("utf-8").splitlines()
    last = json.loads(lines[-1])
    assert (last["kind"], last["topic"]) == ("hint", "relu")


@needs_browser
@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1200)])
def test_the_code_is_played_back(
    browser: webdriver.Chrome, attempt: Path, theme: str, width: int
) -> None:
    page = attempt.parent / "progress.html"
    html.write_progress(session.read(attempt), page)
    look(browser, page, theme, width)
    assert_everybody_can_use_it(browser, width)
    shown = [step for step in browser.find_elements(By.CLASS_NAME, "save") if step.is_displayed()]
    assert [step.get_attribute("id") for step in shown] == ["save-2"]
    marked = shown[0].find_elements(By.CSS_SELECTOR, ".marked code")
    assert [line.text.strip() for line in marked] == ["x = 1", "y = 2"]
    browser.find_element(By.ID, "play").click()  # from the beginning
    assert browser.find_element(By.ID, "save-1").is_displayed()
    assert not shown[0].is_displayed()
    assert browser.get_log("browser") == []
