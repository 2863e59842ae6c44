"""What other programs call: `import grader`."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest

import grader
from grader.errors import GraderError
from tests import report_schema
from tests.bank import FOLDER, ROOT

WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


@pytest.fixture(scope="module")
def report() -> grader.Report:
    return grader.grade(WRONG, seed=3)


def test_report_has_what_it_promises(report: grader.Report) -> None:
    assert not report.passed
    assert report.verdict == "fail"
    assert report.seed == 3
    assert next(check.id for check in report.checks if check.failed) == "attention.causal"
    assert report.bugs[0].cause == "mask-none"
    assert report.isolation.level in ("full", "process", "none")
    assert "CausalSelfAttention" in report.parts()


def test_report_is_json_and_text_and_page(report: grader.Report) -> None:
    assert json.loads(report.to_json())["verdict"] == "fail"
    assert str(report).startswith("FAIL")
    frame = report._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert "<script" not in frame
    assert frame.count("<") == 2  # the frame and its end: the page in it is an attribute's text


def test_report_is_as_the_schema_says(report: grader.Report) -> None:
    report_schema.check(report)
    published = json.loads(report_schema.FILE.read_text(encoding="utf-8"))
    assert published == report_schema.schema(), "run: python -m tests.report_schema"


def test_the_schema_refuses_what_is_no_report(report: grader.Report) -> None:
    wrong = json.loads(report.to_json())
    wrong["checks"][0]["status"] = "maybe"
    published = json.loads(report_schema.FILE.read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError, match="maybe"):
        jsonschema.validate(wrong, published)


def test_assert_passes() -> None:
    grader.assert_passes(ROOT / "solutions" / "gpt2.py", seed=1)
    with pytest.raises(AssertionError, match="mask-none"):
        grader.assert_passes(WRONG, seed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "no/such/file.py"}, "no such file"),
        ({"path": WRONG, "exercise": "gpt3"}, "expected an exercise"),
        ({"path": WRONG, "rubric": "no_rubric.toml"}, "cannot be read"),
        ({"path": WRONG, "exercise": "all", "rubric": "r.toml"}, "of one exercise"),
    ],
)
def test_bad_input_raises_a_grader_error(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(GraderError, match=words):
        grader.grade(**arguments)  # type: ignore[arg-type]  # as somebody might call it


def test_importing_brings_neither_torch_nor_the_parents_modules() -> None:
    code = "import grader, sys; print(sorted(m for m in sys.modules if m.split('.')[0] in "
    code += "('grader', 'torch', 'numpy', 'pytest')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "['grader']"


def test_names_are_listed_and_others_refused() -> None:
    assert {"grade", "Report", "GraderError", "assert_passes"} <= set(dir(grader))
    with pytest.raises(AttributeError, match="no attribute 'judge'"):
        grader.judge  # noqa: B018  # the access is what is tested
