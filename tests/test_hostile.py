"""Hostile submissions: none passes, none harms, and the report blames rightly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.catalogue import EXERCISES
from tests import traces
from tests.bank import Known, known, some
from tests.grading_process import GradingProcess

HOSTILE = known("hostile")
GROUPS = 12  # of the catalogue of attacks
TIMEOUT = 0.5  # seconds for a check
CHECKS = len(EXERCISES["gpt2"].checks())
# Imports in one worker after another, and checks, each up to five times as long on a busy machine.
BOUND = 60.0 + 5 * TIMEOUT * CHECKS
MEGABYTES = 200

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module", name="process")
def _process() -> Iterator[GradingProcess]:
    # Without bubblewrap, whose private /tmp would hide a marker.
    process = GradingProcess("bubblewrap")
    yield process
    process.close()


@pytest.mark.parametrize("submission", some(HOSTILE, HOSTILE[::3]))
def test_neither_passes_nor_harms(process: GradingProcess, submission: Known) -> None:
    tree, children, orphans = traces.tree(), traces.descendants(process.pid), traces.orphans()
    descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
    report = process.grade(submission.path, TIMEOUT)
    assert report["verdict"] == submission.header["verdict"] == "fail", report["messages"]
    assert set(report["statuses"]) & set(submission.header["status"].split("|")), report
    assert report["seconds"] < BOUND
    assert report["megabytes"] < MEGABYTES
    assert len(os.listdir(f"/proc/{process.pid}/fd")) == descriptors
    if report["level"] == "full":
        assert traces.tree() == tree
        assert not traces.markers(submission.path)
        assert traces.descendants(process.pid) == children
        assert traces.orphans() <= orphans


@pytest.fixture(scope="module", name="weak_process")
def _weak_process() -> Iterator[GradingProcess]:
    """At level process, where only Python itself stands in the way."""
    walls = ("bubblewrap", "namespaces", "landlock", "seccomp", "capabilities")
    process = GradingProcess(*walls)
    yield process
    process.close()


@pytest.mark.parametrize("submission", [k for k in HOSTILE if "unseen" in str(k)], ids=str)
def test_what_hides_from_python_fails_at_level_process(
    weak_process: GradingProcess, submission: Known
) -> None:
    report = weak_process.grade(submission.path, TIMEOUT)
    assert report["level"] == "process"
    assert report["verdict"] == "fail"
    # What is tried in one class leaves the checks of another that does not use it their pass.
    assert "violation" in report["statuses"]
    assert set(report["statuses"]) <= {"violation", "pass"}
    assert not traces.markers(submission.path)


def test_bank_is_large_enough() -> None:
    assert len(HOSTILE) >= 60
    assert {submission.header["group"] for submission in HOSTILE} == {
        str(group) for group in range(1, GROUPS + 1)
    }


@pytest.mark.parametrize("submission", HOSTILE, ids=str)
def test_header_says_what_must_come_out(submission: Known) -> None:
    assert set(submission.header) == {"verdict", "group", "status", "tries"}


def test_files_that_are_no_python(process: GradingProcess, tmp_path: Path) -> None:
    pipe, device, link = (tmp_path / name for name in ("pipe.py", "device.py", "link.py"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    link.symlink_to(link)
    big = tmp_path / "big.py"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    for path in (pipe, device, link, big):
        assert process.grade(path)["verdict"] in ("ungraded", "unusable")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "gpt2.py").symlink_to("/etc/passwd")
    report = process.grade(folder)
    assert report["verdict"] == "ungraded"
    assert report["megabytes"] < MEGABYTES


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 50_000,
        "x = " + "-" * 50_000 + "1",
        "x = a" + ".a" * 40_000,
        "0;" * 49_000,
        "a;" * 49_000,
    ],
    ids=["brackets", "signs", "attributes", "statements", "names"],
)
def test_parser_bombs(process: GradingProcess, tmp_path: Path, text: str) -> None:
    bomb = tmp_path / "gpt2.py"
    bomb.write_text(text, encoding="utf-8")
    report = process.grade(bomb)
    # A file of constants alone says nothing: somebody has to look.
    assert report["verdict"] == ("ungraded" if text.startswith("0;") else "fail")
    assert report["megabytes"] < MEGABYTES
