from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.grading import Options, grade
from grader.results import Report
from grader.sandbox.client import Server, start
from tests import report_schema
from tests.bank import ROOT

Grade = Callable[..., Report]

# What tests begin is not remembered where this user's own is.
os.environ.setdefault("GRADER_STATE", tempfile.mkdtemp(prefix="grader-state-"))

# What a plain run of all tests leaves to `-m rest`, so that it takes minutes on two cores: what
# needs a browser, a terminal, a kernel, a cluster or a run of the lab, and commands as processes.
REST = frozenset(
    (
        *(
            "api",
            "arrivals",
            "bad_input",
            "batch",
            "cluster",
            "command",
            "counterexamples",
            "debug",
        ),
        *(
            "docs",
            "editors",
            "everything",
            "exports",
            "fuzz",
            "hint",
            "imports",
            "install",
            "intake",
        ),
        *("jobs", "lab", "live_page", "lockdown", "notebook", "page", "ready_made", "rubric"),
        *("session", "short", "table", "terminal", "watch"),
    )
)
ONE_IN = {"bank": 8, "diagnosis": 2, "hostile": 10}  # that a plain run has, of other groups


@pytest.fixture(scope="session", name="server")
def _server() -> Iterator[Server]:
    with start() as server:
        yield server


@pytest.fixture(scope="session", name="judge")
def _judge(server: Server) -> Grade:
    """grade(path, seed=0, …) with a warm fork server."""

    def judge(path: Path, **options: Any) -> Report:
        report = grade(path, Options(**{"seed": 0, **options}), server=server)
        report_schema.check(report)
        return report

    return judge


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a text as gpt2.py in a folder of its own."""

    def write(text: str) -> Path:
        path = tmp_path / "gpt2.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session", name="reference")
def _reference() -> str:
    return (ROOT / "solutions" / "gpt2.py").read_text(encoding="utf-8")


@pytest.fixture(name="command")
def _command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `grader …` as a process of its own."""

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return command


def without_times(report: dict[str, Any]) -> str:
    """A JSON report as text, with every time taken out."""
    checks = [{k: v for k, v in check.items() if k != "seconds"} for check in report["checks"]]
    return json.dumps({**report, "seconds": 0, "checks": checks}, sort_keys=True)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what a plain run leaves out. Where files or tests are named, nothing is."""
    if [Path(argument).name for argument in config.args] != ["tests"]:
        return
    count: dict[str, int] = {}
    for item in items:
        group = _group(item.nodeid)
        if not item.get_closest_marker("whole_bank"):
            count[group] = count.get(group, -1) + 1
        if group in REST or count.get(group, 0) % ONE_IN.get(group, 1):
            item.add_marker("rest")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how long each group of tests took, the longest first."""
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration") and hasattr(report, "nodeid"):
                group = _group(report.nodeid)
                seconds[group] = seconds.get(group, 0.0) + report.duration
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    told = ", ".join(f"{group} {taken:.0f}" for group, taken in longest if taken >= 1)
    terminalreporter.write_line(f"seconds by group: {told}")


def _group(nodeid: str) -> str:
    """`bank` for tests/test_bank.py, `lab` for all below tests/lab."""
    path = Path(nodeid.split("::")[0])
    return path.parent.name if path.parent.name != "tests" else path.stem.removeprefix("test_")
