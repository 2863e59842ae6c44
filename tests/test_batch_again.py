"""What a batch grades anew, tries again or refuses. Most graders here grade nothing."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.addressing import addressed
from grader.batch import BatchConfig, BatchError, executors, run, runner
from grader.batch.entries import entries
from grader.batch.process import Grader, GraderDied
from grader.batch.progress import pace
from grader.batch.store import report_file
from grader.files import write_whole
from grader.grading import Options, uniform_report
from grader.report import table
from grader.results import Report
from grader.sandbox.client import WeakIsolationError
from grader.submission import Submission, read
from tests.batches import report, stamps


@pytest.fixture(autouse=True)
def _no_graders_left() -> Iterator[None]:
    yield
    assert not executors._graders


@pytest.fixture(name="at_once")
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is graded, and reports come at once."""
    monkeypatch.setattr(
        BatchConfig, "workers", lambda order: nullcontext(executors.Workers(_Breaks(0), 1))
    )


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
            report = uniform_report(*given, "pass", "")
            future.set_result(replace(report, isolation_level="full"))
        return future


@pytest.mark.usefixtures("at_once")
def test_another_seed_is_graded_anew(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = (", encoding="utf-8")
    order = BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1))
    run(order, lambda step: None)
    first = stamps(tmp_path / "out")
    run(BatchConfig(order.folder, order.out, Options(seed=2)), lambda step: None)
    assert report(order.out, "a.py")["seed"] == 2
    assert stamps(tmp_path / "out") != first


@pytest.mark.usefixtures("at_once")
def test_the_same_error_is_not_the_same_text(tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "gpt2.py").write_text(f"x = (\n# {name}\n", encoding="utf-8")
    order = BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1))
    run(order, lambda step: None)
    digests = {report(order.out, name)["submission"]["sha256"] for name in ("anna", "bert")}
    assert len(digests) == 2
    first = stamps(order.out)
    run(order, lambda step: None)
    assert stamps(order.out) == first


def test_results_are_for_all_whom_the_umask_lets_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "results.csv", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "results.csv").stat().st_mode & 0o777 == 0o640


def test_a_file_keeps_its_name_in_what_is_said_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ada-gpt2.py"
    path.write_text("x = (", encoding="utf-8")
    own = read(path, "gpt2.py")
    judged = own.anonymized("gpt2.py")
    for words in ("gpt2.py, line 1: bad", "ada-gpt2.py, line 1: bad", "submission/gpt2.py, x"):
        found = addressed(uniform_report(judged, Options(seed=1), "error", words), judged, own)
        assert found.results[0].message.count("ada-gpt2.py") == 1
        assert "ada-ada" not in found.results[0].message


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("there", "instead"), [('"kit": "', '"kit": "9.'), ('"level": "full"', '"level": "process"')]
)
def test_another_kit_or_weaker_walls_are_graded_anew(
    tmp_path: Path, there: str, instead: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = (", encoding="utf-8")
    order = BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1, untrusted=True))
    run(order, lambda step: None)
    saved = report_file(tmp_path / "out", "a.py", "json")
    text = saved.read_text("utf-8")
    assert there in text
    saved.write_text(text.replace(there, instead), encoding="utf-8")
    first = stamps(tmp_path / "out")
    run(order, lambda step: None)
    assert stamps(tmp_path / "out") != first


@pytest.mark.parametrize(("times", "verdict"), [(1, "pass"), (2, "internal")])
def test_what_breaks_the_grader_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, verdict: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("", encoding="utf-8")
    hands = executors.Workers(_Breaks(times), 1)
    monkeypatch.setattr(BatchConfig, "workers", lambda order: nullcontext(hands))
    done = run(BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)
    (row,) = done.rows
    assert row.verdict == verdict
    assert hands.executor.asked == 2  # type: ignore[attr-defined]  # it is a _Breaks
    # What is marked internal is not done: the next run tries it again.
    run(BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)
    assert hands.executor.asked == 2 + (verdict == "internal")  # type: ignore[attr-defined]


def test_a_grading_process_that_is_killed_is_missed(tmp_path: Path, reference: str) -> None:
    path = tmp_path / "gpt2.py"
    path.write_text(f"import time\ntime.sleep(60)\n{reference}", encoding="utf-8")
    grader = Grader()
    submission = read(path, "gpt2.py")
    with executors.local(1) as hands:
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


@pytest.mark.usefixtures("at_once")
def test_odd_names(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "in" / "results"
    folder.mkdir()
    names = ["<b>bold.py", "a b#c?.py", "x" * 240 + ".py", "-rf.py", "naïve.py"]
    names.append(os.fsdecode(b"bad\xff.py"))
    for name in names:
        (folder / name).write_text("x = (", encoding="utf-8")
    for _ in range(2):  # the second time the results lie in the folder
        found = run(BatchConfig(folder, out, Options(seed=1)), lambda step: None)
        assert len(found.rows) == len(names)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    for row in found.rows:
        assert (out / row.page).exists()


@pytest.mark.usefixtures("at_once")
def test_results_that_somebody_planted_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = (", encoding="utf-8")
    order = BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1))
    run(order, lambda step: None)
    (planted := tmp_path / "planted").mkdir()
    mark = json.loads((order.out / "batch.json").read_text(encoding="utf-8"))
    for token in (None, "", "0" * 32, [], {}, mark["token"].upper() + "0"):
        text = json.dumps({**mark, "token": token})
        (planted / "batch.json").write_text(text, encoding="utf-8")
        with pytest.raises(BatchError, match="this user did not begin"):
            run(replace(order, out=planted), lambda step: None)
    for text in ("", "[]", "\x00"):
        (planted / "batch.json").write_text(text, encoding="utf-8")
        with pytest.raises(BatchError, match="this user did not begin"):
            run(replace(order, out=planted), lambda step: None)
    order.out.rename(tmp_path / "moved")
    run(replace(order, out=tmp_path / "moved"), lambda step: None)
    monkeypatch.setenv("GRADER_STATE", str(tmp_path / "another-user"))
    with pytest.raises(BatchError, match="this user did not begin"):
        run(replace(order, out=tmp_path / "moved"), lambda step: None)


def test_no_name_makes_one_report_another() -> None:
    odd = "a\x07.py"
    named = report_file(Path(), odd, "json").name.removesuffix(".json")
    names = [
        "a.py",
        "A.py",
        "a.py.json",
        odd,
        named,
        "x" * 240,
        "x" * 241,
        "\u00e9.py",
        "e\u0301.py",
    ]
    files = {report_file(Path(), name, "json").name.casefold() for name in names}
    assert len(files) == len(names)


@pytest.mark.usefixtures("at_once")
def test_what_is_judged_once_is_alike_in_all_that_is_read(tmp_path: Path) -> None:
    for name, inside in (("one", "model.py"), ("two", "nets.py")):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "gpt2.py").write_text("from model import *\n", encoding="utf-8")
        (tmp_path / "in" / name / inside).write_text("x = 1\n", encoding="utf-8")
    keys = {
        runner._text(entry.read(Options()).anonymized("gpt2.py"))
        for entry in entries(tmp_path / "in", tmp_path / "out").entries
    }
    assert len(keys) == 2


def test_one_entry_costs_no_other_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zoe.py").write_text("x = 1")
    found = entries(tmp_path, tmp_path / "out").entries
    assert [entry.name for entry in found] == ["loop", "zoe.py"]
    assert "symbolic link" in found[0].read(Options()).error
    monkeypatch.setattr(Options, "read", lambda *_, **__: 1 / 0)
    assert "ZeroDivisionError" in found[1].read(Options()).error


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
        "submission": {"path": "a.py", "sha256": ""},
        "seconds": 0.0,
    }
    text = table.as_csv([table.row("@SUM(A1)", bare)])
    assert "'@SUM(A1)" in text
    assert "'=1+1" in text


def test_weak_isolation_stops_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Weak(Executor):
        def submit(self, function: Any, *given: Any, **options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(WeakIsolationError("isolation is at level process"))
            return future

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(
        BatchConfig, "workers", lambda order: nullcontext(executors.Workers(Weak(), 1))
    )
    with pytest.raises(BatchError, match="level process"):
        run(BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)


def test_progress_is_told() -> None:
    assert pace(runner.Step(0, 0, 10), 1.0) == ""
    assert pace(runner.Step(6, 5, 10), 2.0) == "2.5 a second, 0:02 left"
    assert pace(runner.Step(1, 1, 7201), 1.0) == "1.0 a second, 2:00:00 left"
