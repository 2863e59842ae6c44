"""An extension is judged on what it adds, also where the gpt2.py that it builds on is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader import foundation
from grader.catalogue import EXERCISES, HANDOUT
from grader.results import Report
from tests.bank import ROOT
from tests.conftest import Grade

SOLUTIONS = ROOT / "solutions"
NOTE = "Training was judged with the grader's own gpt2.py in place of yours."


def handed_in(place: Path, exercise: str, gpt2: str) -> Path:
    """The worked solution of an extension beside a gpt2.py."""
    shutil.copy(SOLUTIONS / f"{exercise}.py", place)
    (place / "gpt2.py").write_text(gpt2, encoding="utf-8")
    return place


def test_the_graders_own_takes_the_place_of_the_file(tmp_path: Path) -> None:
    folder = handed_in(tmp_path, "training", (HANDOUT / "gpt2.py").read_text(encoding="utf-8"))
    submission = EXERCISES["training"].read(folder)
    changed = foundation.on_own(submission)
    assert changed is not None
    assert b"class GPT2" in changed.files["gpt2.py"]
    assert changed.files["gpt2.py"] != submission.files["gpt2.py"]
    assert changed.files["training.py"] == submission.files["training.py"]
    assert not changed.unwritten & set(EXERCISES["gpt2"].names)


def test_gpt2_itself_is_never_replaced() -> None:
    assert foundation.on_own(EXERCISES["gpt2"].read(SOLUTIONS / "gpt2.py")) is None


@pytest.mark.whole_bank
def test_training_is_judged_beside_an_unwritten_gpt2(tmp_path: Path, judge: Grade) -> None:
    folder = handed_in(tmp_path, "training", (HANDOUT / "gpt2.py").read_text(encoding="utf-8"))
    report = judge(folder, exercise="training")
    assert (report.verdict, report.score) == ("pass", 100)
    assert report.advisories["stand-ins"] == NOTE


@pytest.mark.whole_bank
def test_a_slip_of_its_own_still_counts(tmp_path: Path, judge: Grade) -> None:
    gpt2 = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8")
    folder = handed_in(tmp_path, "training", gpt2.replace("~self.visible[:T, :T]", "False"))
    training = folder / "training.py"
    text = training.read_text(encoding="utf-8")
    training.write_text(text.replace("loss.backward()", "pass"), encoding="utf-8")
    assert judge(folder, exercise="training").verdict == "fail"


def points(report: Report, part: str) -> float:
    """Points reached in a part."""
    return sum(result.points for result in report.parts()[part])


def changed(place: Path, exercise: str, *edits: tuple[str, str]) -> Path:
    """The worked solutions of an extension and of gpt2, with edits of the extension's."""
    folder = handed_in(place, exercise, (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8"))
    file = folder / f"{exercise}.py"
    text = file.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("slip", [("self.linear(x) +", "self.liner(x) +"), ("import math\n", "")])
def test_add_lora_is_judged_beside_a_broken_adapter(
    slip: tuple[str, str], tmp_path: Path, judge: Grade
) -> None:
    report = judge(changed(tmp_path, "lora", slip), exercise="lora")
    assert points(report, "add_lora") == 35
    assert points(report, "LoRALinear") < 5
    assert report.stand_ins == {"add_lora": ("LoRALinear",)}


def test_add_lora_is_no_better_than_it_is(tmp_path: Path, judge: Grade) -> None:
    slip = ("self.linear(x) +", "self.liner(x) +")
    folder = changed(tmp_path, "lora", slip, ("    model.requires_grad_(False)\n", ""))
    report = judge(folder, exercise="lora")
    assert "lora.frozen" in [result.check.id for result in report.results if result.failed]


@pytest.mark.parametrize("right", [True, False])
def test_finetune_step_is_judged_beside_a_broken_classifier(
    right: bool, tmp_path: Path, judge: Grade
) -> None:
    slip = ("hidden[rows", "hiden[rows")
    wrong = ("    optimizer.zero_grad()", "    # optimizer.zero_grad()")
    folder = changed(tmp_path, "classification", slip, *([] if right else [wrong]))
    report = judge(folder, exercise="classification")
    assert (points(report, "Fine-tuning") == 28) is right
    assert points(report, "Fine-tuning") > 0
