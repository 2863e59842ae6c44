from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bank import ROOT

SOLUTIONS = ROOT / "solutions"
# A model of seconds: what is asked for is that it goes on, not that it learns much.
TINY = {
    "embed_dim": 16,
    "num_heads": 2,
    "num_layers": 1,
    "block_size": 16,
    "batch_size": 4,
    "iterations": 12,
    "warmup_iterations": 2,
    "log_every": 1,
    "eval_every": 4,
    "eval_batches": 2,
    "sample_every": 6,
    "sample_tokens": 8,
    "checkpoint_every": 3,
    # What is faster may be another thing in the next run.
    "linear": "torch",
    "precision": "float32",
}
TEXT = "".join(f"{n} green bottles, hanging on the wall.\n" for n in range(200))


def settings(**values: object) -> list[str]:
    """TINY, and these, as options."""
    return [f"--set={name}={value}" for name, value in {**TINY, **values}.items()]


def train_options(folder: Path, out: str, **values: object) -> list[str]:
    """`lab train` of a tiny model on a text in the folder, into a run of this name."""
    text = folder / "text.txt"
    if not text.exists():
        text.write_text(TEXT, encoding="utf-8")
    return ["train", "--data", str(text), "--out", str(folder / out), *settings(**values)]


def environment(folder: Path) -> dict[str, str]:
    """With a cache of the test's own, and one thread, as on a busy machine."""
    return {
        **os.environ,
        "LAB_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}),
    }


@pytest.fixture(name="inside")
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run `lab …` within this process: exit code, and all that was said."""
    import torch
    from click.testing import CliRunner

    from lab.cli import main

    torch.set_num_threads(1)

    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)

    def inside(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return inside


def one_line(said: str) -> str:
    """What was said, however it was wrapped."""
    return " ".join(said.split())


def numbers(run: Path) -> list[dict[str, Any]]:
    """The log without the times in it."""
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in e.items() if k != "tokens_per_second"} for e in entries]
