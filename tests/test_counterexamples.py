"""A counterexample is code that runs as it stands beside the submission and shows what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bank import FOLDER
from tests.conftest import Grade

SHOWN = [
    ("mask_none_no_mask_at_all", "attention.causal"),
    ("mask_strict_first_row_sees_itself", "attention.causal"),
    ("mask_after_softmax_times_tril", "attention.rows_sum_to_one"),
    ("merge_wrong_no_transpose", "attention.order"),
    ("batch_mixing_flattened_tokens", "attention.batch"),
    ("no_scale_separate_linears", "attention.equals"),
    ("dropout_ignored_in_attention", "attention.dropout"),
    ("mutates_input_writes_result_into_x", "attention.deterministic"),
]
NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


@pytest.mark.parametrize(("name", "check"), SHOWN)
def test_code_shows_what_was_found(judge: Grade, name: str, check: str) -> None:
    path = FOLDER / "wrong" / f"{name}.py"
    result = next(r for r in judge(path).results if r.check.id == check)
    assert result.counterexample is not None
    done = run(result.counterexample.code, path.parent)
    assert done.returncode == 0, done.stderr
    printed, found = (
        np.array([float(n) for n in NUMBER.findall(text)])
        for text in (done.stdout, result.counterexample.found)
    )
    if found.size:
        # torch and NumPy print with different precision, and cut long arrays differently.
        np.testing.assert_allclose(printed[:4], found[:4], atol=2e-3)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_counterexamples_are_small(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "mask_none_no_mask_at_all.py", seed=9)
    result = next(r for r in report.results if r.check.id == "attention.causal")
    assert result.counterexample is not None
    assert "(1, 2, 6)" in result.counterexample.code
