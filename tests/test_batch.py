"""Many submissions at once: every one a row, the same verdict as alone, nothing done twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.batch import BatchError, Order, crew, desk, lookalikes, run
from grader.batch.entries import entries
from grader.batch.process import Grader, GraderDied
from grader.batch.progress import pace
from grader.checks.catalogue import EXERCISES
from grader.grading import Options, all_alike
from grader.remote import WeakIsolationError
from grader.report import table
from grader.report.model import Report
from grader.submission import Submission, read
from tests.bank import ROOT
from tests.conftest import Grade, without_times

BANK = ROOT / "tests" / "submissions"
VERDICTS = {
    "alice.py": "pass",
    "bob": "pass",
    "carol.zip": "pass",
    "dan.py": "fail",
    "eve.py": "fail",
    "frank.txt": "fail",
    "=grace.py": "fail",
    "heidi.py": "fail",
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
    out = tmp_path_factory.mktemp("desk") / "results"
    arguments = ["batch", str(folder), "--out", str(out), "--seed", "3", "--jobs", "2"]
    found = subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    assert "5 fail, 3 pass" in found.stdout
    return out


def report(out: Path, name: str) -> dict[str, Any]:
    return json.loads((out / "reports" / f"{name}.json").read_text(encoding="utf-8"))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_submission_has_its_row_and_reports(done: Path) -> None:
    found = {row["submission"].removeprefix("'"): row for row in rows(done)}
    assert {name: row["verdict"] for name, row in found.items()} == VERDICTS
    assert found["dan.py"]["causes"] == "no-scale"
    assert "'=grace.py" in (done / "results.csv").read_text(encoding="utf-8")
    summary = json.loads((done / "summary.json").read_text(encoding="utf-8"))
    assert summary["submissions"] == len(VERDICTS)
    assert summary["verdicts"] == {"fail": 5, "pass": 3}
    assert summary["isolation"] == {"full": len(VERDICTS)}
    for name, verdict in VERDICTS.items():
        assert report(done, name)["verdict"] == verdict
        page = (done / "reports" / f"{name}.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert page.rstrip().endswith("</html>")


def test_reports_are_those_of_one_by_one(done: Path, folder: Path, judge: Grade) -> None:
    for name in ("alice.py", "bob", "carol.zip", "dan.py", "eve.py", "=grace.py"):
        alone = judge(folder / name, seed=3, untrusted=True).as_json()
        assert without_times(report(done, name)) == without_times(alone)


def test_what_cannot_be_read_says_so(done: Path) -> None:
    assert "not a Python file" in report(done, "frank.txt")["checks"][0]["message"]
    assert "a symbolic link" in report(done, "heidi.py")["checks"][0]["message"]


def test_look_alikes_are_told(done: Path) -> None:
    summary = json.loads((done / "summary.json").read_text(encoding="utf-8"))
    (same,) = (pair for pair in summary["lookalikes"] if pair["same"])
    assert same["submissions"] == ["alice.py", "bob", "carol.zip", "(the reference)"]
    assert not any("dan.py" in pair["submissions"] for pair in summary["lookalikes"])
    assert "never a verdict" in (done / "lookalikes.html").read_text(encoding="utf-8")


def test_near_copies_are_found_and_stubs_are_not(reference: str) -> None:
    renamed = reference.replace("attn", "attention_").replace("mlp", "feed").replace("# ", "## ")
    other = (BANK / "accepted" / "baddbmm_mask_as_input.py").read_bytes()
    stub = (ROOT / "exercises" / "gpt2.py").read_bytes()
    given = {"a": reference.encode(), "b": renamed.encode(), "c": other, "d": stub, "e": stub}
    texts = [lookalikes.text(name, {"gpt2.py": body}) for name, body in given.items()]
    (pair,) = lookalikes.pairs(texts, "gpt2.py")
    assert pair.names == ("a", "b")
    assert pair.score > 0.9
    assert not pair.same
    lines = {line for passage in pair.sides[1].passages for _, line in passage.lines}
    assert any("feed" in line for line in lines)


def stamps(out: Path) -> dict[str, int]:
    """When each report was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "reports").iterdir()}


def test_what_is_done_is_not_done_again(
    done: Path, folder: Path, command: Command, reference: str
) -> None:
    before = stamps(done)
    again = command("batch", folder, "--out", done)
    assert again.returncode == 0, again.stderr
    assert stamps(done) == before
    (folder / "dan.py").write_text(reference, encoding="utf-8")
    assert "4 fail, 4 pass" in command("batch", folder, "--out", done, "--seed", 3).stdout
    changed = {name for name, stamp in stamps(done).items() if stamp != before[name]}
    assert changed == {"dan.py.html", "dan.py.json"}
    assert report(done, "dan.py")["verdict"] == "pass"


@pytest.fixture(name="at_once")
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is graded, and reports come at once."""
    monkeypatch.setattr(Order, "crew", lambda order: nullcontext(crew.Crew(_Breaks(0), 1)))


@pytest.mark.usefixtures("at_once")
def test_another_seed_is_graded_anew(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = (", encoding="utf-8")
    order = Order(tmp_path / "in", tmp_path / "out", Options(seed=1))
    run(order, lambda step: None)
    first = stamps(tmp_path / "out")
    run(Order(order.folder, order.out, Options(seed=2)), lambda step: None)
    assert report(order.out, "a.py")["seed"] == 2
    assert stamps(tmp_path / "out") != first


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("there", "instead"), [('"kit": "', '"kit": "9.'), ('"level": "full"', '"level": "process"')]
)
def test_another_kit_or_weaker_walls_are_graded_anew(
    tmp_path: Path, there: str, instead: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = (", encoding="utf-8")
    order = Order(tmp_path / "in", tmp_path / "out", Options(seed=1, untrusted=True))
    run(order, lambda step: None)
    saved = tmp_path / "out" / "reports" / "a.py.json"
    text = saved.read_text("utf-8")
    assert there in text
    saved.write_text(text.replace(there, instead), encoding="utf-8")
    first = stamps(tmp_path / "out")
    run(order, lambda step: None)
    assert stamps(tmp_path / "out") != first


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
    assert not (out / "results.csv").exists()
    assert command(*arguments).returncode == 0
    complete = {name for name in kept if f"{name.rsplit('.', 1)[0]}.json" in kept}
    assert {name: kept[name] for name in complete} == {n: stamps(out)[n] for n in complete}
    assert [row["submission"] for row in rows(out)] == [row["submission"] for row in rows(done)]
    assert len(rows(out)) == len(VERDICTS)


class _Breaks(Executor):
    """Grades nothing: the grader fails so many times, and then says that all is well, which is
    enough to see what becomes of the reports.
    """

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked = 0

    def submit(self, function: Any, *given: Any, **options: Any) -> Future[Any]:
        self.asked += 1
        future: Future[Any] = Future()
        if self.asked <= self.times:
            future.set_exception(GraderDied("the grading process ended with -9"))
        else:
            report = all_alike(*given, "pass", "")
            future.set_result(replace(report, isolation_level="full"))
        return future


@pytest.mark.parametrize(("times", "verdict"), [(1, "pass"), (2, "internal")])
def test_what_breaks_the_grader_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, verdict: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("", encoding="utf-8")
    hands = crew.Crew(_Breaks(times), 1)
    monkeypatch.setattr(Order, "crew", lambda order: nullcontext(hands))
    (row,) = run(Order(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)
    assert row.verdict == verdict
    assert hands.executor.asked == 2  # type: ignore[attr-defined]  # it is a _Breaks
    # What is marked internal is not done: the next run tries it again.
    run(Order(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)
    assert hands.executor.asked == 2 + (verdict == "internal")  # type: ignore[attr-defined]


def test_a_grading_process_that_is_killed_is_missed(tmp_path: Path, reference: str) -> None:
    path = tmp_path / "gpt2.py"
    path.write_text(f"import time\ntime.sleep(60)\n{reference}", encoding="utf-8")
    grader = Grader()
    submission = read(path, "gpt2.py")
    with crew.local(1) as hands:
        future = hands.executor.submit(_grade_and_kill, grader, submission)
        with pytest.raises(GraderDied, match="-9"):
            future.result()
    path.write_text("x = (", encoding="utf-8")
    again = grader.grade(read(path, "gpt2.py"), Options(seed=1))
    assert again.verdict == "fail"
    grader.close()
    with pytest.raises(GraderDied):
        grader.grade(submission, Options(seed=1))


def _grade_and_kill(grader: Grader, submission: Submission) -> Report:
    def kill() -> None:
        while grader._process is None:
            time.sleep(0.01)
        time.sleep(0.5)
        grader._process.kill()

    threading.Thread(target=kill).start()
    return grader.grade(submission, Options(seed=1))


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


@pytest.mark.usefixtures("at_once")
def test_odd_names(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "in" / "results"
    folder.mkdir()
    names = ["<b>bold.py", "a b#c?.py", "x" * 240 + ".py", "-rf.py", "naïve.py"]
    names.append(os.fsdecode(b"bad\xff.py"))
    for name in names:
        (folder / name).write_text("x = (", encoding="utf-8")
    for _ in range(2):  # the second time the results lie in the folder
        found = run(Order(folder, out, Options(seed=1)), lambda step: None)
        assert len(found) == len(names)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    for row in found:
        assert (out / row.page).exists()


def test_one_entry_costs_no_other_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zoe.py").write_text("x = 1")
    found = entries(tmp_path, tmp_path / "out")
    assert [entry.name for entry in found] == ["loop", "zoe.py"]
    exercise = EXERCISES["gpt2"]
    assert "symbolic link" in found[0].read(exercise, None).error
    monkeypatch.setattr(type(exercise), "read", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in found[1].read(exercise, None).error


def test_empty_lines_cost_no_time() -> None:
    empty = lookalikes.text("tabs", {"gpt2.py": b"\t\n" * 40_000 + b"x = 1\n"})
    assert empty.lines() == [("40001", "x = 1")]
    assert empty.whole == "x = 1\n"


def test_csv_has_no_formulas() -> None:
    bare = {
        "verdict": "fail",
        "score": 0,
        "max_score": 1,
        "parts": [],
        "checks": [{"status": "fail", "message": "=1+1"}],
        "diagnoses": [],
        "advisories": [],
        "isolation": {"level": "full"},
        "submission": {"sha256": ""},
        "seconds": 0.0,
    }
    text = table.as_csv([table.row("@SUM(A1)", bare)])
    assert "'@SUM(A1)" in text
    assert "'=1+1" in text


def test_weak_isolation_stops_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    class Weak(Executor):
        def submit(self, function: Any, *given: Any, **options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(WeakIsolationError("isolation is at level process"))
            return future

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(Order, "crew", lambda order: nullcontext(crew.Crew(Weak(), 1)))
    with pytest.raises(BatchError, match="level process"):
        run(Order(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)


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


def test_progress_is_told() -> None:
    assert pace(desk.Step(0, 0, 10), 1.0) == ""
    assert pace(desk.Step(6, 5, 10), 2.0) == "2.5 a second, 0:02 left"
    assert pace(desk.Step(1, 1, 7201), 1.0) == "1.0 a second, 2:00:00 left"


@pytest.fixture(autouse=True)
def _no_graders_left() -> Iterator[None]:
    yield
    assert not crew._graders
