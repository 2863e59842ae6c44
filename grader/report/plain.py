"""The report as plain text, for where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from grader.report.short import show
from grader.results import Report

_WIDTH = 100  # characters


def as_text(report: Report) -> str:
    """What `grader grade` prints, without colours and with all of the case."""
    console = Console(
        file=io.StringIO(), width=_WIDTH, highlight=False, color_system=None, force_jupyter=False
    )
    with console.capture() as capture:
        show(report, console)
    return capture.get()
