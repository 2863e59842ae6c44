"""The command itself: what it imports, what it shows in a terminal, what its help says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pexpect
import pytest

from lab.cli import main
from lab.environment import let_threads_sleep
from tests.bank import ROOT
from tests.lab.conftest import environment, train_options

Inside = Callable[..., tuple[int, str]]


def test_threads_are_told_before_torch_comes() -> None:
    code = "import sys, lab.cli, lab.cli.train, lab.cli.sample; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_threads_sleep_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"KMP_BLOCKTIME": "7"})
    let_threads_sleep()
    assert os.environ == {"KMP_BLOCKTIME": "7", "OMP_WAIT_POLICY": "passive"}


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
