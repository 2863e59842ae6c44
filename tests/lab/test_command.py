"""The command itself: what it imports, what it shows in a terminal, what its help says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pexpect
import pytest

import lab.environment
from lab.cli import main
from lab.environment import Slowness, idle_cores, settle_threads
from tests.bank import ROOT
from tests.lab.conftest import environment, train_options

Inside = Callable[..., tuple[int, str]]


def test_threads_are_told_before_torch_comes() -> None:
    code = "import sys, lab.cli, lab.cli.train, lab.cli.sample; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("idle", "said", "settled"),
    [
        (0.4, {}, {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}),
        (1.1, {}, {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0", "OMP_NUM_THREADS": "1"}),
        (1e9, {}, {}),
        (None, {}, {}),
        (0.4, {"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_threads_sleep_beside_a_busy_process(
    monkeypatch: pytest.MonkeyPatch,
    idle: float | None,
    said: dict[str, str],
    settled: dict[str, str],
) -> None:
    monkeypatch.setattr(lab.environment, "_cores", lambda: 2)
    monkeypatch.setattr(lab.environment, "idle_cores", lambda: idle)
    monkeypatch.setattr(os, "environ", dict(said))
    settle_threads()
    assert os.environ == settled


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_busy_process_is_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        time.sleep(0.5)
        idle = idle_cores()
        busy.kill()
    assert idle is not None
    assert idle < (os.cpu_count() or 1) - 0.5


def test_slowness_that_lasts_is_told_once() -> None:
    slowness = Slowness()
    paces = [90, 100, 40, 40, 95, 49, 48, 47, 46, 45, 99]
    assert [slowness.noticed(pace) for pace in paces].index(True) == 7
    assert sum(map(Slowness().noticed, paces)) == 1


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_help_has_an_example(inside: Inside, name: str) -> None:
    code, said = inside(name, "--help")
    assert code == 0
    assert f"Example: lab {name}" in said


def test_a_bar_in_a_terminal(tmp_path: Path) -> None:
    options = train_options(tmp_path, "run", iterations=30, sample_every=0)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "lab", *options],
        cwd=str(ROOT),
        env={**environment(tmp_path), "TERM": "xterm", "COLUMNS": "120"},
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 120),
    )
    child.expect(r"30/30.*loss [\d.]+, validation [\d.]+, [\d,]+ tokens a second, \d:\d\d left")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_presets_are_listed(inside: Inside) -> None:
    code, said = inside("presets")
    assert code == 0
    assert "learning_rate" in said
    assert "gpt2-small" in said
