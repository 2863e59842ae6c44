"""What a submission prints is shown, bounded and marked, and counts for nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from grader.report import html, terminal
from grader.sandbox.client.printed import Printed
from tests.bank import FOLDER
from tests.conftest import Grade

_MORE = """
import logging
import sys
import warnings

print("at import")
_forward = MLP.forward

def forward(self, x):
    print("\\x1b[31mMLP gets", tuple(x.shape))
    print("to stderr", file=sys.stderr)
    warnings.warn("warned of")
    logging.warning("logged")
    return _forward(self, x)

MLP.forward = forward
"""


def test_each_line_comes_once_and_there_are_few() -> None:
    printed = Printed()
    printed.add("a\nb\na\n")
    printed.add(17)
    assert printed.take() == "a\nb"
    printed.add("\n".join(map(str, range(1000))))
    assert len(printed.take().splitlines()) == 21


def test_prints_are_shown(judge: Grade, write: Callable[[str], Path]) -> None:
    text = (FOLDER / "accepted" / "fused_linear_tril_buffer.py").read_text(encoding="utf-8")
    report = judge(write(text + _MORE))
    assert report.verdict == "pass"
    told = {r.check.id: r.as_json().get("printed", "") for r in report.results}
    assert "at import" in told["submission.from_scratch"]
    assert told["attention.equals"] == ""
    for words in ("[31mMLP gets (", "to stderr", "warned of", "WARNING:root:logged"):
        assert words in told["mlp.shape"] + told["mlp.signature"]
    console = Console(file=io.StringIO(), width=100)
    terminal.show(report, console)
    for shown in (console.file.getvalue(), html.page(report)):  # type: ignore[attr-defined]  # a StringIO
        assert "at import" in shown
        assert "MLP gets" in shown
        assert "\x1b" not in shown
