"""The short report: one screenful, one thing to fix, in any encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grader.report.focus import first_sentence, focuses
from grader.results import Report
from tests.bank import FOLDER, ROOT
from tests.conftest import Grade
from tests.screenful import assert_one_screenful, shown

WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"
Write = Callable[[str], Path]


@pytest.fixture(scope="module", name="report")
def _report(judge: Grade) -> Report:
    return judge(WRONG, seed=3)


def test_what_fits_a_small_terminal(report: Report) -> None:
    assert_one_screenful(report, "CausalSelfAttention: mask-none")
    text = shown(report)
    assert "line 68" in text
    assert "hint mask-none" in text
    # The case is cut: what it is about, and its end.
    assert "CausalSelfAttention(embed_dim=6" in text
    assert "\n...\n" in text
    assert "print((model(changed) - model(x))" in text
    assert "attention.equals" not in text


def test_a_larger_one_has_the_whole_case(report: Report) -> None:
    text = shown(report, 120, 40)
    assert len(text.splitlines()) < 40
    (first,) = focuses(report)
    assert first.case
    assert first.case.code in text


def test_two_bugs_in_the_order_of_the_classes(judge: Grade, write: Write, reference: str) -> None:
    text = reference.replace(".tril()", "").replace('nn.GELU(approximate="tanh")', "nn.ReLU()")
    report = judge(write(text))
    found = focuses(report)
    assert [focus.title for focus in found[:2]] == [
        "CausalSelfAttention: mask-none",
        "MLP: relu",
    ]
    assert "after that  MLP: relu" in shown(report)
    assert found[0].topics[0] == "mask-none"


def test_what_is_not_written_comes_after_what_is_wrong(
    judge: Grade, write: Write, reference: str
) -> None:
    head, rest = reference.split("class MLP(nn.Module):")
    body = rest.split("class TransformerBlock")[1].replace("self.mlp_norm(x)", "x", 1)
    todo = "class MLP(nn.Module):\n    def __init__(self, embed_dim, dropout_p=0.0):\n"
    todo += "        super().__init__()\n\n    def forward(self, x):\n"
    todo += "        raise NotImplementedError\n\n\n"
    report = judge(write(f"{head}{todo}class TransformerBlock{body}"))
    found = focuses(report)
    assert not found[0].todo
    assert (found[0].part, found[-1].part) == ("TransformerBlock", "MLP")
    assert found[-1].todo


def test_what_it_printed_is_shown(judge: Grade, write: Write, reference: str) -> None:
    loud = "print('x is', tuple(x.shape)); assert x.ndim == 2\n        hidden = self"
    report = judge(write(reference.replace("hidden = self", loud)))
    text = shown(report)
    assert_one_screenful(report, "MLP: own-assertion")
    assert "your code printed" in text
    assert "x is (" in text


def test_the_sandbox_is_told_where_it_is_at_fault(report: Report) -> None:
    weak = shown(replace(report, isolation_level="none", isolation_mechanisms=()))
    assert "isolation none" in weak


@pytest.mark.parametrize("text", ["Is it? No.", "self.x is set. nn.Module keeps it."])
def test_first_sentence(text: str) -> None:
    assert first_sentence(text) in ("Is it?", "self.x is set.")


def test_an_abbreviation_ends_no_sentence() -> None:
    assert first_sentence("A scale, e.g. none. More.") == "A scale, e.g. none."


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "koi8-r"])
def test_any_encoding_of_the_output_will_do(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grader", "grade", "-v", str(WRONG), "--seed", "3"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr == b""
    text = done.stdout.decode(encoding)
    assert text.startswith("FAIL  75 of 100 points")
    assert "x attention.causal" in text


def test_signs_that_an_encoding_lacks_have_look_alikes() -> None:
    code = (
        "import click, grader.cli.encoding as e; e.settle(); click.echo('√d ≤ 2 × 3 … 中'); "
        "click.echo('中', err=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"sqrt d <= 2 \xd7 3 \x85 ?" + os.linesep.encode()
    assert done.stderr == b"?" + os.linesep.encode()
