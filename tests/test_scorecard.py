"""The page to take into the conversation."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import session
from grader.bugs import CAUSES
from grader.path import Met
from grader.report import scorecard
from grader.results import Report
from tests.bank import FOLDER, ROOT
from tests.conftest import Grade

WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


@pytest.fixture(scope="module", name="report")
def _report(judge: Grade) -> Report:
    return judge(WRONG)


def test_questions_are_on_bugs_that_there_are() -> None:
    known = {slug for question in scorecard.questions() for slug in question.causes}
    assert known <= CAUSES.keys()
    for question in scorecard.questions():
        re.compile(question.code)
        assert question.ask.endswith("?")
        assert question.good.endswith(".")


def test_questions_are_chosen_for_the_code(report: Report) -> None:
    why = [one.why for one in scorecard.chosen(report, [])]
    assert why[0] == "CausalSelfAttention: mask-none"
    assert re.fullmatch(r".*\.py, line \d+", why[1])
    asked = [one.question.ask for one in scorecard.chosen(report, [])]
    assert len(asked) == len(set(asked)) == 6
    assert any("fused attention" in question for question in asked)


def test_a_bug_that_was_fixed_is_asked_about(report: Report) -> None:
    known = [Met("GPT2", "final-norm-missing", 4.0, 19.0, 1)]
    why = [one.why for one in scorecard.chosen(report, known)]
    assert "it had final-norm-missing until minute 19" in why


def test_page_has_the_session_and_no_script(report: Report, tmp_path: Path) -> None:
    made = session.start(tmp_path / "mine", 30)
    timed = made.record(report, pytest.fail)
    text = scorecard.page(timed, made, None)
    for words in ("mask-none", "1 grading in 30 minutes", "What to ask", "Ratings", "75 of 100"):
        assert words in text
    assert "<script" not in text
    assert str(tmp_path) not in text


def test_command(command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    done = command("scorecard", ROOT / "solutions", "--html", tmp_path / "card.html")
    assert done.returncode == 0, done.stderr
    assert "pass, 100 of 100 points" in done.stdout
    assert "Nothing is wrong" in (tmp_path / "card.html").read_text(encoding="utf-8")
    missing = command("scorecard", tmp_path / "nothing", "--html", tmp_path / "card.html")
    assert missing.returncode == 2
