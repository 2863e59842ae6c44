"""One submission has so much time and no more, and nothing that was not tried passes."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from grader import grading
from grader.batch import BatchConfig, Step, executors, run
from grader.batch.process import GraderLate
from grader.catalogue import EXERCISES
from grader.errors import GaveWay
from grader.grading import Options, grade, uniform_report
from grader.results import Report
from grader.sandbox.client import Budget, CandidateError, Server, WorkerLost
from grader.sandbox.client.budget import PROCESSOR_SHARE
from grader.sandbox.worker.lockdown import Limits
from tests.bank import path_of

NAPPING = """

def _napping(call):
    import time

    def slowly(self, *args, **kwargs):
        time.sleep(0.2)
        return call(self, *args, **kwargs)
    return slowly

MLP.__call__ = _napping(MLP.__call__)
"""


def test_both_clocks_count() -> None:
    now = [0.0]
    budget = Budget(30.0, lambda: now[0])
    first, second = budget.account(), budget.account()
    now[0] = 10.0
    assert budget.left == 20.0
    budget.give(5.0)
    assert budget.left == 25.0
    budget.used(first, 8.0)
    budget.used(first, 4.0)  # what has been used stays used
    budget.used(second, 30.0 * PROCESSOR_SHARE - 8.1)
    assert budget.left == 25.0
    budget.used(second, 30.0 * PROCESSOR_SHARE - 8.0)
    assert not budget.left
    assert not budget.ended  # nothing was refused yet
    assert budget.end().status == "timeout"
    assert budget.ended


def test_a_worker_may_use_what_the_whole_may() -> None:
    assert Limits.allowing(180.0).cpu_seconds == 120
    assert Limits.allowing(1.0).cpu_seconds == 1


def _with_ticks(monkeypatch: pytest.MonkeyPatch, most: float) -> list[int]:
    """Let a budget be so many looks at its clock; how many there were, at the end of the list."""
    looks = [0]
    ticks = count(1)

    def tick() -> float:
        looks[-1] = next(ticks)
        return float(looks[-1])

    monkeypatch.setattr(grading, "Budget", lambda seconds: Budget(most, tick))
    return looks


def _passed(report: Report) -> set[str]:
    return {result.id for result in report.results if result.status == "pass"}


@pytest.mark.rest
@pytest.mark.parametrize("name", ["wrong/dropout_always_on_sdpa", "wrong/block_post_norm_classic"])
def test_wherever_time_ends_nothing_passes_that_would_not(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    looks = _with_ticks(monkeypatch, 1e9)
    whole = grade(path_of(name), Options(seed=1), server=server)
    assert not any("budget" in id for id in whole.advisories)
    for share in (0.0, 0.01, 0.05, 0.2, 0.45, 0.8):
        most = share * looks[-1]
        _with_ticks(monkeypatch, most)
        report = grade(path_of(name), Options(seed=1), server=server)
        assert report.verdict == "fail"
        assert _passed(report) <= _passed(whole)
        assert "budget" in report.advisories
        assert "internal" not in {result.status for result in report.results}


@pytest.mark.rest
def test_a_right_one_that_naps_is_ended(server: Server, tmp_path: Path, reference: str) -> None:
    path = tmp_path / "gpt2.py"
    path.write_text(reference + NAPPING, encoding="utf-8")
    started = time.monotonic()
    report = grade(path, Options(seed=1, budget=6.0), server=server)
    assert time.monotonic() - started < 60
    assert report.verdict == "fail"
    late = [result for result in report.results if result.status == "timeout"]
    assert late
    assert all("has used them up" in result.message for result in late)
    assert report.as_json()["budget"] == 6.0
    with pytest.raises(GaveWay):
        grade(path, Options(seed=1, patience=3.0), server=server)


def test_processor_time_counts_and_outlives_its_worker(server: Server, reference: str) -> None:
    busy = "\nimport time\nwhile time.process_time() < 2.0:\n    pass\n"
    given = EXERCISES["gpt2"].read(path_of("accepted/mask_by_nested_loops"))
    given = replace(given, files={given.main: (reference + busy).encode()})
    budget = Budget(4.2, lambda: 0.0)
    with EXERCISES["gpt2"].subject(given, server, 10.0, budget=budget) as subject:
        subject.enter("a")
        subject.found_classes()
        assert budget.left
        subject.enter("b")
        with suppress(WorkerLost, CandidateError):  # its time ends while it is imported, or then
            subject.found_classes()
        assert not budget.left
        subject.enter("c")
        with pytest.raises((WorkerLost, CandidateError)):
            subject.found_classes()


class _Slow(Executor):
    """Takes a minute for one name, unless it is to have all its time."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, float]] = []

    def submit(self, function: Any, *given: Any, **named: Any) -> Future[Any]:
        submission, options = given
        (text,) = submission.files.values()
        self.asked.append((text, options.patience))
        future: Future[Any] = Future()
        if b"slow" in text and options.patience:
            future.set_exception(GaveWay("60 seconds are over"))
        elif b"late" in text:
            future.set_exception(GraderLate("not done after 240 seconds"))
        else:
            report = uniform_report(submission, options, "pass", "")
            future.set_result(replace(report, isolation_level="full"))
        return future


def test_a_batch_grades_others_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["x = 'slow'", "y = 1", "z = 2"]
    (tmp_path / "in").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "in" / f"{number}.py").write_text(text, encoding="utf-8")
    slow, told = _Slow(), list[Step]()
    monkeypatch.setattr(
        BatchConfig, "workers", lambda order: nullcontext(executors.Workers(slow, 1))
    )
    done = run(BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1)), told.append)
    assert [text.decode() for text, _ in slow.asked] == [*texts, texts[0]]
    assert [patience for _, patience in slow.asked] == [60.0, 60.0, 0.0, 0.0]
    assert done.postponed == ("0.py",)
    assert [step.name for step in told if step.postponed] == ["0.py"]
    assert [row.verdict for row in done.rows] == ["pass"] * 3


def test_what_the_grader_itself_is_late_with_is_no_fault_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("x = 'late'", encoding="utf-8")
    monkeypatch.setattr(
        BatchConfig, "workers", lambda order: nullcontext(executors.Workers(_Slow(), 1))
    )
    done = run(BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1)), lambda step: None)
    assert [row.verdict for row in done.rows] == ["fail"]
