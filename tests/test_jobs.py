"""How many parts are judged at a time shows in nothing but the seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.grading import Options, grade
from grader.results import CheckResult, Report
from grader.running import Stopped
from grader.sandbox.client import Server
from tests.bank import ROOT

Grade = Callable[..., Report]
Write = Callable[[str], Path]

_SOFTMAX = (
    "return self.head(self.final_norm(x))",
    "return self.head(self.final_norm(x)).softmax(-1)",
)
_RELU = 'nn.GELU(approximate="tanh")', "nn.ReLU()"


def _told(report: Report) -> dict[str, Any]:
    """The report as JSON, without what a clock says."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items() if key != "seconds"}
        return [without(item) for item in value] if isinstance(value, list) else value

    told: dict[str, Any] = without(report.as_json())
    return told


@pytest.mark.parametrize("edit", [("", ""), _SOFTMAX, _RELU], ids=["right", "GPT2", "MLP"])
def test_the_report_is_the_same(
    judge: Grade, write: Write, reference: str, edit: tuple[str, str]
) -> None:
    assert edit[0] in reference
    path = write(reference.replace(*edit, 1))
    one, two = (judge(path, jobs=jobs) for jobs in (1, 2))
    assert _told(one) == _told(two)
    assert (one.verdict == "pass") is (edit == ("", ""))


def test_what_is_judged_beside_ends_with_the_rest(server: Server) -> None:
    def stop(result: CheckResult) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        grade(ROOT / "solutions" / "gpt2.py", Options(seed=0, jobs=2), stop, server)


def test_the_class_that_is_edited_comes_first(write: Write, reference: str, server: Server) -> None:
    path = write(reference.replace(*_RELU, 1))
    seen: list[str] = []

    def until_it_fails(result: CheckResult) -> None:
        seen.append(result.check.part)
        if result.failed:
            raise Stopped

    with pytest.raises(Stopped):
        grade(path, Options(seed=0, first="MLP"), until_it_fails, server)
    assert set(seen) == {"Submission", "MLP"}
