"""Many submissions at once: every one a row, the same verdict as alone, nothing done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.batch.store import report_file
from tests.bank import ROOT
from tests.batches import report, rows, stamps
from tests.conftest import Grade, without_times

BANK = ROOT / "tests" / "submissions"
VERDICTS = {
    "alice.py": "pass",
    "bob": "pass",
    "carol.zip": "pass",
    "dan.py": "fail",
    "eve.py": "fail",
    "frank.txt": "ungraded",
    "=grace.py": "fail",
    "heidi.py": "ungraded",
}
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory, reference: str) -> Path:
    """A right one as a file, a folder and an archive; a wrong, a hostile, two that do not run."""
    folder = tmp_path_factory.mktemp("submissions")
    (folder / "alice.py").write_text(reference, encoding="utf-8")
    (folder / "bob").mkdir()
    (folder / "bob" / "gpt2.py").write_text(reference, encoding="utf-8")
    with zipfile.ZipFile(folder / "carol.zip", "w") as archive:
        archive.writestr("carol/gpt2.py", reference)
    wrong = BANK / "wrong" / "no_scale_separate_linears.py"
    (folder / "dan.py").write_bytes(wrong.read_bytes())
    hostile = BANK / "hostile" / "exit_os_exit_zero_at_import.py"
    (folder / "eve.py").write_bytes(hostile.read_bytes())
    (folder / "frank.txt").write_text("my answer", encoding="utf-8")
    (folder / "=grace.py").write_text("class GPT2(:\n", encoding="utf-8")
    (folder / "heidi.py").symlink_to(ROOT / "solutions" / "gpt2.py")
    (folder / ".hidden.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture(scope="module", name="done")
def _done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a batch over the folder."""
    out = tmp_path_factory.mktemp("batch") / "results"
    arguments = ["batch", str(folder), "--out", str(out), "--seed", "3", "--jobs", "2"]
    found = subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 4, found.stderr
    assert "3 fail, 3 pass, 2 ungraded" in found.stdout
    return out


def test_every_submission_has_its_row_and_reports(done: Path) -> None:
    found = {row["submission"].removeprefix("'"): row for row in rows(done)}
    assert {name: row["verdict"] for name, row in found.items()} == VERDICTS
    assert found["dan.py"]["causes"] == "no-scale"
    assert "'=grace.py" in (done / "results.csv").read_text(encoding="utf-8")
    summary = json.loads((done / "summary.json").read_text(encoding="utf-8"))
    assert summary["submissions"] == len(VERDICTS)
    assert summary["verdicts"] == {"fail": 3, "pass": 3, "ungraded": 2}
    assert summary["scores"]["lowest"] == min(
        float(row["score"]) for row in found.values() if row["verdict"] != "ungraded"
    )
    assert {row["score"] for row in found.values() if row["verdict"] == "ungraded"} == {""}
    assert summary["isolation"] == {"full": len(VERDICTS)}
    for name, verdict in VERDICTS.items():
        assert report(done, name)["verdict"] == verdict
        page = report_file(done, name, "html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert page.rstrip().endswith("</html>")


def test_reports_are_those_of_one_by_one(done: Path, folder: Path, judge: Grade) -> None:
    for name in ("alice.py", "bob", "carol.zip", "dan.py", "eve.py", "=grace.py"):
        alone = judge(folder / name, seed=3, untrusted=True).as_json()
        assert without_times(report(done, name)) == without_times(alone)


def test_what_cannot_be_read_says_so(done: Path) -> None:
    assert "not a Python file" in report(done, "frank.txt")["unreadable"]
    assert "a symbolic link" in report(done, "heidi.py")["unreadable"]


def test_look_alikes_are_told(done: Path) -> None:
    summary = json.loads((done / "summary.json").read_text(encoding="utf-8"))
    (same,) = (pair for pair in summary["lookalikes"] if pair["same"])
    assert same["submissions"] == ["alice.py", "bob", "carol.zip", "(the reference)"]
    assert not any("dan.py" in pair["submissions"] for pair in summary["lookalikes"])
    assert "never a verdict" in (done / "lookalikes.html").read_text(encoding="utf-8")


def test_what_is_done_is_not_done_again(
    done: Path, folder: Path, command: Command, reference: str
) -> None:
    before = stamps(done)
    again = command("batch", folder, "--out", done)
    assert again.returncode == 4, again.stderr
    assert stamps(done) == before
    (folder / "dan.py").write_text(reference, encoding="utf-8")
    assert (
        "4 pass, 2 fail, 2 ungraded" in command("batch", folder, "--out", done, "--seed", 3).stdout
    )
    changed = {name for name, stamp in stamps(done).items() if stamp != before[name]}
    assert changed == {report_file(done, "dan.py", kind).name for kind in ("html", "json")}
    assert report(done, "dan.py")["verdict"] == "pass"


def test_killed_at_any_moment_it_goes_on(
    folder: Path, tmp_path: Path, done: Path, command: Command
) -> None:
    out = tmp_path / "results"
    arguments = ["batch", str(folder), "--out", str(out), "--seed", "3", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("reports/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = stamps(out)
    assert "more are not graded yet" in (out / "index.html").read_text(encoding="utf-8")
    assert command(*arguments).returncode == 4
    complete = {name for name in kept if f"{name.rsplit('.', 1)[0]}.json" in kept}
    assert {name: kept[name] for name in complete} == {n: stamps(out)[n] for n in complete}
    assert [row["submission"] for row in rows(out)] == [row["submission"] for row in rows(done)]
    assert len(rows(out)) == len(VERDICTS)


@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_nothing_to_grade(tmp_path: Path, command: Command, what: str) -> None:
    folder = tmp_path / "in"
    if what == "file":
        folder.write_text("", encoding="utf-8")
    elif what == "empty":
        folder.mkdir()
    found = command("batch", folder, "--out", tmp_path / "out")
    assert found.returncode == 2
    words = {"missing": "no such folder", "file": "not a folder", "empty": "it is empty"}
    assert words[what] in found.stderr
    assert "Traceback" not in found.stderr


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, folder: Path, command: Command
) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    found = command("batch", folder, "--out", tmp_path)
    assert found.returncode == 2
    assert "neither empty nor results" in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_ctrl_c_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "batch", str(folder), "--out", str(out)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("reports/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what is graded is kept" in said
    assert "Traceback" not in said
