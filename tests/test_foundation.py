"""An extension is judged on what it adds, also where the gpt2.py that it builds on is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader import foundation
from grader.catalogue import EXERCISES, HANDOUT
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
