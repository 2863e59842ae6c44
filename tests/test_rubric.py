"""An interviewer's own points."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalogue import EXERCISES
from grader.grading import Options, uniform_report
from grader.results import CheckResult, Report
from grader.rubric import SHIPPED, RubricError, as_shipped, read
from grader.submission import read as read_submission
from tests.bank import ROOT
from tests.conftest import Grade

CHECKS = EXERCISES["gpt2"].checks().values()
NO_SCALE = ROOT / "tests" / "submissions" / "wrong" / "no_scale_separate_linears.py"


@pytest.fixture(name="rubric")
def _rubric(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "rubric.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_shipped_one_changes_nothing(rubric: Callable[[str], Path]) -> None:
    found = read(rubric(as_shipped(CHECKS)), CHECKS)
    checks = EXERCISES["gpt2"].checks()
    assert found.applied(checks) == checks
    assert SHIPPED.applied(checks) == checks
    assert SHIPPED.digest == ""


def test_a_byte_order_mark_does_no_harm(rubric: Callable[[str], Path]) -> None:
    assert read(rubric("\ufefftotal = 100\r\n"), CHECKS).pass_mark is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("total = ", "not a TOML file"),
        ("pints = 3", "'pints' is not of a rubric"),
        ('[points]\n"attention.casual" = 1', "Did you mean 'attention.causal'?"),
        ('optional = ["nonsense"]', "`grader list` shows all"),
        ('optional = "mlp.gelu"', "must be a list of ids"),
        ("points = 3", "must be a table"),
        ('[points]\n"mlp.gelu" = 40', "the points add up to"),
        ("[points]\nmlp.gelu = 7", "Write the whole id in quotes"),
        ("total = 90", "the points add up to 100, and total is 90"),
        ("pass_mark = 101", "pass_mark is 101, of 100 points"),
        ('pass_mark = "all"', "must be a number"),
        ("pass_mark = nan", "must be a number"),
        ('[points]\n"mlp.gelu" = -1', "must be a number, zero or more; found -1"),
        ('[points]\n"mlp.gelu" = true', "must be a number"),
    ],
)
def test_what_is_no_rubric_is_refused(rubric: Callable[[str], Path], text: str, words: str) -> None:
    with pytest.raises(RubricError, match=r"rubric\.toml") as caught:
        read(rubric(text), CHECKS)
    assert words in str(caught.value)


def report(judge_options: Options, statuses: dict[str, str]) -> Report:
    """A report in which all passed but these."""
    submission = read_submission(ROOT / "solutions" / "gpt2.py", "gpt2.py")
    made = uniform_report(submission, replace(judge_options, seed=1), "pass", "")
    results = tuple(CheckResult(r.check, statuses.get(r.check.id, "pass")) for r in made.results)
    return replace(made, results=results)


def test_points_are_counted(rubric: Callable[[str], Path]) -> None:
    text = 'total = 110\n[points]\n"attention.causal" = 30'
    found = Options(rubric=read(rubric(text), CHECKS))
    whole = report(found, {})
    assert (whole.score, whole.max_score, whole.verdict) == (110, 110, "pass")
    assert report(found, {"attention.causal": "fail"}).score == 80


def test_optional_checks_need_not_pass(rubric: Callable[[str], Path]) -> None:
    options = Options(rubric=read(rubric('optional = ["gpt2.dropout"]'), CHECKS))
    assert report(options, {"gpt2.dropout": "fail"}).verdict == "pass"
    assert report(options, {"mlp.dropout": "fail"}).verdict == "fail"
    assert report(Options(), {"gpt2.dropout": "fail"}).verdict == "fail"


def test_a_pass_mark_is_in_points(rubric: Callable[[str], Path]) -> None:
    options = Options(rubric=read(rubric("pass_mark = 80"), CHECKS))
    assert report(options, {"attention.causal": "fail"}).verdict == "pass"
    assert report(options, {"attention.causal": "fail", "mlp.gelu": "fail"}).verdict == "fail"


@pytest.mark.parametrize("status", ["violation", "protocol"])
def test_no_points_outweigh_foul_play(rubric: Callable[[str], Path], status: str) -> None:
    options = Options(rubric=read(rubric("pass_mark = 10"), CHECKS))
    assert report(options, {"mlp.gelu": status}).verdict == "fail"
    assert report(options, {"submission.from_scratch": "fail"}).verdict == "fail"
    assert report(options, {"mlp.gelu": "internal"}).verdict == "internal"


def test_no_points_outweigh_what_others_did(rubric: Callable[[str], Path]) -> None:
    text = 'total = 120\npass_mark = 100\n[points]\n"submission.from_scratch" = 20'
    options = Options(rubric=read(rubric(text), CHECKS))
    assert report(options, {"mlp.gelu": "fail"}).verdict == "pass"
    assert report(options, {"submission.from_scratch": "fail"}).verdict == "fail"


def test_a_real_grading_goes_by_it(judge: Grade, rubric: Callable[[str], Path]) -> None:
    found = judge(NO_SCALE, rubric=read(rubric("pass_mark = 60"), CHECKS))
    assert found.verdict == "pass"
    assert found.diagnoses[0].cause == "no-scale"
    assert found.as_json()["pass_mark"] == 60
    assert judge(NO_SCALE).verdict == "fail"


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_command_takes_a_rubric(command: Command, rubric: Callable[[str], Path]) -> None:
    path = rubric(command("list", "--rubric").stdout)
    assert "100 of 100" in command("grade", "solutions/gpt2.py", "--rubric", path).stdout
    bad = command("grade", "solutions/gpt2.py", "--rubric", rubric("total = 7"))
    assert bad.returncode == 2
    assert "add up to 100" in bad.stderr
