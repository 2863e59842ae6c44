"""The same work on a Dask cluster: a real scheduler, two workers, one of them killed half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.bank import ROOT, known
from tests.conftest import without_times

pytest.importorskip("dask.distributed", reason="the extra `cluster` is not installed")

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SUBMISSIONS = 4


def process(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(found: subprocess.Popen[bytes]) -> None:
    """Kill a process and those it started in its session."""
    with suppress(ProcessLookupError):
        os.killpg(found.pid, signal.SIGKILL)
    found.wait()


@pytest.fixture(name="scheduler")
def _scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler on loopback, and its two worker processes."""
    file = tmp_path / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    given = ["--scheduler-file", str(file)]
    with ExitStack() as stack:
        first = process("distributed.cli.dask_scheduler", *local, "--port", "0", *given)
        stack.callback(end, first)
        workers = []
        for _ in range(2):
            worker = process(
                "distributed.cli.dask_worker", *given, "--nthreads", "1", "--no-nanny", *local
            )
            stack.callback(end, worker)
            workers.append(worker)
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield json.loads(file.read_text(encoding="utf-8"))["address"], workers


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    folder.mkdir()
    chosen = [*known("accepted")[: SUBMISSIONS // 2], *known("wrong")[: SUBMISSIONS // 2]]
    for submission in chosen:
        if submission.path.is_file():
            (folder / submission.path.name).write_bytes(submission.path.read_bytes())
    return folder


def test_one_worker_killed_half_way(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]],
    folder: Path,
    tmp_path: Path,
    command: Command,
) -> None:
    address, workers = scheduler
    out, alone = tmp_path / "there", tmp_path / "here"
    arguments = ["batch", str(folder), "--out", str(out), "--seed", "5", "--scheduler", address]
    batch = subprocess.Popen(
        [sys.executable, "-m", "grader", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("reports/*.json")) and time.monotonic() < deadline:
        assert batch.poll() is None, batch.communicate()
        time.sleep(0.02)
    end(workers[0])
    _, said = batch.communicate(timeout=180)
    assert batch.returncode == 0, said
    assert command("batch", folder, "--out", alone, "--seed", 5).returncode == 0
    names = sorted(path.name for path in (alone / "reports").glob("*.json"))
    assert len(names) == len(list(folder.iterdir()))
    for name in names:
        here, there = (
            json.loads((place / "reports" / name).read_text(encoding="utf-8"))
            for place in (alone, out)
        )
        assert without_times(here) == without_times(there)
    assert {"pass", "fail"} == {
        json.loads((alone / "reports" / name).read_text(encoding="utf-8"))["verdict"]
        for name in names
    }


def test_no_scheduler_there(folder: Path, tmp_path: Path, command: Command) -> None:
    found = command("batch", folder, "--out", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert found.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_worker_with_another_kit_is_refused() -> None:
    from grader.batch.executors import _expect_same_kit
    from grader.kit import identity
    from grader.submission import UnusableInput

    _expect_same_kit({"tcp://a": identity()})
    with pytest.raises(UnusableInput, match="Install the same kit"):
        _expect_same_kit({"tcp://a": identity(), "tcp://b": "0.0.9+1"})
    with pytest.raises(UnusableInput, match="no workers"):
        _expect_same_kit({})
