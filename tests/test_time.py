"""No clock decides what is tried: what runs out of time is told as such, and is no pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grader.catalogue import EXERCISES
from grader.check import Failure
from grader.exercises.gpt2 import larger, long
from grader.exercises.training import client as training
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError, Server, WorkerLost
from grader.sandbox.client.exchange import RemoteRef
from tests.bank import path_of

NAME = "CausalSelfAttention"
# Makes the outermost call take ten times as long as it works, as on a busy or old machine.
SLOW = b"""
import time

def _slowed(call, depth=[0]):
    def slow(self, *args, **kwargs):
        started, depth[0] = time.process_time(), depth[0] + 1
        try:
            return call(self, *args, **kwargs)
        finally:
            depth[0] -= 1
            if not depth[0]:
                time.sleep(9 * (time.process_time() - started))
    return slow

for _kind in (CausalSelfAttention, GPT2):
    _kind.__call__ = _slowed(_kind.__call__)
"""


@contextmanager
def evidence_on(server: Server, name: str, timeout: float, more: bytes = b"") -> Iterator[Evidence]:
    """What is known at first of a submission of the bank, with more at its end."""
    given = EXERCISES["gpt2"].read(path_of(name))
    given = replace(given, files={given.main: given.files[given.main] + more})
    with EXERCISES["gpt2"].subject(given, server, timeout) as subject:
        yield Evidence(subject, 0)


def check_lengths(evidence: Evidence, part: str) -> None:
    """What is asked about long sequences."""
    long.check_long(evidence, part)
    if part == NAME:
        larger.check_attention(evidence)


@pytest.mark.parametrize(("timeout", "more"), [(1.0, b""), (10.0, SLOW), (1.0, SLOW)])
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("attention_window_of_1024", NAME),
        ("block_size_mask_fixed_of_1024", NAME),
        ("gpt2_position_table_too_small_of_1024", "GPT2"),
    ],
)
def test_the_longest_sequence_is_always_tried(
    server: Server, name: str, part: str, timeout: float, more: bytes
) -> None:
    with (
        evidence_on(server, f"wrong/{name}", timeout, more) as evidence,
        pytest.raises(Failure, match="1030"),
    ):
        check_lengths(evidence, part)


@pytest.mark.parametrize("name", ["mask_by_nested_loops", "first_year_student_lists"])
def test_loops_in_python_have_the_time_they_take(server: Server, name: str) -> None:
    with evidence_on(server, f"accepted/{name}", 10.0) as evidence:
        long.check_long(evidence, NAME)


def test_what_takes_too_long_is_said(server: Server) -> None:
    with evidence_on(server, "accepted/mask_by_nested_loops", 0.2) as evidence:
        with pytest.raises(WorkerLost) as lost:
            long.check_long(evidence, NAME)
        assert lost.value.status == "timeout"
        assert "with a sequence of 1,030 tokens, no answer" in lost.value.message
        assert not evidence.subject.has_hung(NAME)


class _Slow:
    """Stands for a submission that makes a few training steps in the time of one question."""

    def __init__(self, at_a_time: int) -> None:
        self.at_a_time = at_a_time
        self.starts: list[int] = []

    def start_clock(self) -> None:
        """It has all its time again."""

    def keep(self, about: str, target: str, *given: object) -> RemoteRef:
        """The run as it has begun."""
        assert target == "training.begin"
        return RemoteRef("held:1", None)

    def help(self, about: str, target: str, *given: Any) -> list[float]:
        """The losses of the next steps."""
        assert target == "training.train"
        steps, end = given[4]
        assert end == 200
        self.starts.append(steps)
        return [1.0] * self.at_a_time

    def broken(self, what: str) -> Exception:
        """What is raised for an answer that is none."""
        return AssertionError(what)


_RUN: dict[str, Any] = {
    **{"steps": 200, "batch_size": 2, "block_size": 4, "optimizer": {}, "schedule": {}},
    **{"max_grad_norm": 1.0, "seed": 0},
}


def test_a_slow_training_run_goes_on_to_its_end() -> None:
    slow: Any = _Slow(50)
    assert training.run(slow, RemoteRef("model:1", None), np.arange(9), **_RUN) == [1.0] * 200
    assert slow.starts == [0, 50, 100, 150]


def test_a_training_run_without_end_is_out_of_time() -> None:
    slow: Any = _Slow(2)
    with pytest.raises(CandidateError, match="only 24 of 200 training steps") as raised:
        training.run(slow, RemoteRef("model:1", None), np.arange(9), **_RUN)
    assert raised.value.status == "timeout"
