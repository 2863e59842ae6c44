"""`--only`: one class gets what it gets among all, and what it does not need does not run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from grader import session as sessions
from grader.catalogue import EXERCISES
from grader.results import CheckResult, Report
from tests.bank import FOLDER, ROOT, Known, known
from tests.conftest import Grade
from tests.report_schema import check

Command = Callable[..., subprocess.CompletedProcess[str]]
WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"
PARTS = EXERCISES["gpt2"].names


def outcome(results: tuple[CheckResult, ...]) -> list[tuple[str, str, str]]:
    return [(r.id, r.status, r.message) for r in results]


def same_as_among_all(judge: Grade, whole: Report, known: Known, part: str) -> None:
    alone = judge(known.path, only=part)
    assert list(alone.parts()) == [part]
    assert outcome(alone.parts()[part]) == outcome(whole.parts()[part])
    assert alone.stand_ins.get(part) == whole.stand_ins.get(part)
    named = [(d.part, d.cause) for d in whole.diagnoses if d.part == part]
    assert [(d.part, d.cause) for d in alone.diagnoses] == named


@pytest.mark.whole_bank
@pytest.mark.parametrize("slip", known("named_slips")[::6], ids=lambda slip: slip.path.stem)
def test_a_class_alone_gets_what_it_gets_among_all(judge: Grade, slip: Known) -> None:
    whole = judge(slip.path)
    for part in PARTS:
        same_as_among_all(judge, whole, slip, part)


def test_what_it_does_not_need_does_not_run(judge: Grade) -> None:
    report = judge(WRONG, only="MLP")
    assert report.verdict == "pass"
    assert report.max_score == 15
    assert {r.check.part for r in report.results} == {"Submission", "MLP"}
    assert report.as_json()["only"] == "MLP"
    check(report)


def test_a_block_on_a_broken_attention_gets_the_graders(judge: Grade) -> None:
    report = judge(WRONG, only="TransformerBlock")
    assert report.score == report.max_score == 20
    assert report.stand_ins == {"TransformerBlock": ("CausalSelfAttention",)}
    assert not report.diagnoses


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "Mlpp"), "expected one of CausalSelfAttention, MLP, TransformerBlock, GPT2"),
        (("--only", "MLP", "--exercise", "all"), "--only takes one exercise"),
        (("--only", "MLP", "--gradescope", "x.json"), "none for Gradescope or Classroom"),
    ],
)
def test_what_cannot_be_only(command: Command, arguments: tuple[str, ...], says: str) -> None:
    done = command("grade", ROOT / "solutions", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_names_of_other_exercises() -> None:
    training = EXERCISES["training"]
    assert training.only("train_step").modules == ("test_contract", "test_step", "test_run")
    generation = EXERCISES["generation"]
    assert generation.only("generate").modules == generation.modules


def test_a_part_of_a_result_is_not_the_whole_in_a_session() -> None:
    gradings = [
        sessions.Grading(1, "fail", 40, 100, {"MLP": (10, 15)}, "0"),
        sessions.Grading(2, "pass", 15, 15, {"MLP": (15, 15)}, "1", "MLP"),
    ]
    session = sessions.Session(ROOT, "gpt2", 0.0, 30.0, gradings)
    assert dict(sessions.lines(session)) == {
        "MLP": [(1, 10 / 15), (2, 1.0)],
        "all together": [(1, 0.4)],
    }
