"""Training: it learns, it goes on where it was, it loses nothing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lab import race
from lab.checkpoint import everyone
from lab.errors import LabError
from lab.parallel import Team
from tests.bank import ROOT
from tests.lab.conftest import environment, numbers, train_options

Inside = Callable[..., tuple[int, str]]


def weights(run: Path) -> bytes:
    return (everyone(run / "checkpoints")[-1] / "model.safetensors").read_bytes()


def test_a_run(inside: Inside, tmp_path: Path) -> None:
    code, said = inside(*train_options(tmp_path, "run", iterations=60, learning_rate=1e-2))
    assert code == 0, said
    run = tmp_path / "run"
    losses = [e["validation_loss"] for e in numbers(run) if e["event"] == "eval"]
    assert losses[-1] < losses[0] - 0.5
    assert [e["step"] for e in numbers(run) if e["event"] == "step"] == list(range(1, 61))
    for name in ("loss.png", "loss.svg", "samples.txt", "best.safetensors", "tokens.json"):
        assert (run / name).stat().st_size > 0
    config = json.loads((run / "config.json").read_text("utf-8"))
    assert config["recipe"]["iterations"] == 60
    assert config["data"]["train_tokens"] > 1000
    assert "computing on cpu" in said or "on cpu" in said
    assert len(everyone(run / "checkpoints")) == 2

    code, said = inside("report", run)
    assert code == 0
    page = (run / "report.html").read_text("utf-8")
    assert "polyline" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    "values",
    [
        {"dropout": 0.0},
        {"dropout": 0.2},
        {"optimizer": "muon", "muon_every": 3, "schedule": "linear"},
    ],
)
def test_resumed_it_is_the_very_same(
    inside: Inside, tmp_path: Path, values: dict[str, Any]
) -> None:
    assert inside(*train_options(tmp_path, "whole", **values))[0] == 0
    # The schedule of the whole, cut off in the middle.
    part = train_options(tmp_path, "parts", **values, iterations=7, decay_iterations=12)
    assert inside(*part)[0] == 0
    code, said = inside("train", "--resume", "--out", tmp_path / "parts", "--set=iterations=12")
    assert code == 0, said
    assert "going on from iteration 7" in said
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    extra = {7}  # the end of the first part measured and sampled out of turn
    events = [e for e in numbers(tmp_path / "parts") if e["event"] == "step"]
    assert events == [e for e in numbers(tmp_path / "whole") if e["event"] == "step"]
    ends = [e for e in numbers(tmp_path / "parts") if e["step"] not in extra]
    assert ends == [e for e in numbers(tmp_path / "whole") if e["step"] not in extra]


@pytest.mark.parametrize(("fast", "slow"), [("bfloat16", "torch"), ("torch", "bfloat16")])
def test_what_a_race_has_settled_the_run_keeps_to(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: str, slow: str
) -> None:
    monkeypatch.setattr(race, "_times", lambda: {"onednn": 3.0, slow: 3.0, fast: 1.0})
    free = {"precision": "auto", "linear": "auto", "decay_iterations": 12}
    code, said = inside(*train_options(tmp_path, "run", **free, iterations=6))
    assert code == 0, said
    precision = "bfloat16" if fast == "bfloat16" else "float32"
    assert f"in {precision}" in " ".join(said.split())
    recipe = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))["recipe"]
    assert (recipe["precision"], recipe["linear"]) == (precision, "torch")
    # The other would win now; the run goes on as it began.
    monkeypatch.setattr(race, "_times", lambda: {"onednn": 3.0, slow: 1.0, fast: 3.0})
    code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=iterations=12")
    assert code == 0, said
    assert f"in {precision}" in " ".join(said.split())


def started(folder: Path, out: str, **values: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *train_options(folder, out, **values)],
        cwd=ROOT,
        env=environment(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if everyone(run / "checkpoints"):
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("no checkpoint in a minute")


LONG = {"iterations": 100_000, "checkpoint_every": 5, "sample_every": 0, "eval_every": 50}


def test_killed_it_loses_one_interval_at_most(inside: Inside, tmp_path: Path) -> None:
    process = started(tmp_path, "killed", **LONG)
    wait_for_checkpoint(tmp_path / "killed", process)
    process.kill()
    process.communicate(timeout=60)
    done = max(e["step"] for e in numbers_so_far(tmp_path / "killed"))
    kept = int(everyone(tmp_path / "killed" / "checkpoints")[-1].name)
    assert done - kept <= 5
    end = kept + 8
    resume = ["--resume", "--out", tmp_path / "killed"]
    code, said = inside(
        "train", *resume, f"--set=iterations={end}", "--set=decay_iterations=100000"
    )
    assert code == 0, said
    whole = train_options(tmp_path, "whole", **{**LONG, "iterations": end})
    assert inside(*whole, "--set=decay_iterations=100000", "--threads=1")[0] == 0
    steps = [e for e in numbers(tmp_path / "killed") if e["event"] == "step"]
    assert steps == [e for e in numbers(tmp_path / "whole") if e["event"] == "step"]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def numbers_so_far(run: Path) -> list[dict[str, int]]:
    from lab.log import read

    return read(run / "log.jsonl")


def test_interrupted_it_writes_a_checkpoint(inside: Inside, tmp_path: Path) -> None:
    run = tmp_path / "stopped"

    def interrupt() -> None:
        while not everyone(run / "checkpoints"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    hand = threading.Thread(target=interrupt, daemon=True)
    hand.start()
    code, said = inside(*train_options(tmp_path, "stopped", **{**LONG, "checkpoint_every": 40}))
    assert code == 130, said
    done = max(e["step"] for e in numbers(run))
    assert int(everyone(run / "checkpoints")[-1].name) == done
    assert f"stopped at iteration {done}" in said
    assert "--resume" in said


def test_two_processes_are_as_one(inside: Inside, tmp_path: Path) -> None:
    options = {"iterations": 6, "sample_every": 0}
    assert inside(*train_options(tmp_path, "one", **options))[0] == 0
    torchrun = ["torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    torchrun += ["--rdzv-endpoint=127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, "-m", "lab", *train_options(tmp_path, "two", **options)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ones, twos = (
        [e["loss"] for e in numbers(tmp_path / name) if e["event"] == "step"]
        for name in ("one", "two")
    )
    assert len(twos) == 6
    assert twos == pytest.approx(ones, rel=1e-4)
    assert json.loads((tmp_path / "two" / "config.json").read_text())["processes"] == 2


@pytest.mark.parametrize(("accumulation", "batch_size"), [(1, 4), (2, 3), (4, 1)])
def test_a_team_shares_everything_once(accumulation: int, batch_size: int) -> None:
    numbers = torch.arange(accumulation * batch_size)[:, None]
    batches = [(part, part) for part in numbers.chunk(accumulation)]
    shares = [Team(rank, 2).share(batches) for rank in range(2)]
    dealt = [int(x) for share in shares for inputs, _ in share for x in inputs]
    assert sorted(dealt) == numbers[:, 0].tolist()
    assert {sum(len(x) for x, _ in share) for share in shares} == {len(numbers) // 2}


def test_a_team_that_cannot_share() -> None:
    with pytest.raises(LabError, match="equally"):
        Team(0, 2).check(batch_size=3, accumulation=1)


def test_a_full_disk_loses_no_checkpoint(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run", iterations=6))[0] == 0
    before = weights(tmp_path / "run")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No checkpoint is so small, and the log is full soon: it is longer than what else is written.
    log = tmp_path / "run" / "log.jsonl"
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": "note", "step": 1, "text": "x" * 4000}) + "\n")
    least = log.stat().st_size + 150
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, limits[1]))
    try:
        code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=iterations=12")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 2, said
    assert said.count("could not be written") >= 3  # at 9, which did not stop it, and at the end
    assert "00000006" in said
    assert weights(tmp_path / "run") == before


def test_a_broken_checkpoint_is_passed_over(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run"))[0] == 0
    expected = weights(tmp_path / "run")
    newest = everyone(tmp_path / "run" / "checkpoints")[-1]
    (newest / "model.safetensors").write_bytes(b"half")
    code, said = inside("train", "--resume", "--out", tmp_path / "run")
    assert code == 0, said
    assert "going on from iteration 9" in said
    assert weights(tmp_path / "run") == expected


def test_a_loss_that_is_no_number(inside: Inside, tmp_path: Path) -> None:
    options = train_options(tmp_path, "run", learning_rate=1e30, max_grad_norm=0)
    code, said = inside(*options)
    assert code == 2, said
    assert "smaller learning_rate" in said


def test_no_room_is_said_before_anything_is_done(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    code, said = inside(*train_options(tmp_path, "run"))
    assert code == 2
    assert "has room for" in said


@pytest.mark.parametrize(
    "option",
    ["attention=sdpa", "attention=auto", "precision=bfloat16", "fused=false", "linear=onednn"],
)
def test_other_arithmetic_is_the_same_mathematics(
    inside: Inside, tmp_path: Path, option: str
) -> None:
    assert inside(*train_options(tmp_path, "plain"))[0] == 0
    code, said = inside(*train_options(tmp_path, "other"), f"--set={option}")
    assert code == 0, said
    losses = [e["loss"] for e in numbers(tmp_path / "plain") if e["event"] == "step"]
    others = [e["loss"] for e in numbers(tmp_path / "other") if e["event"] == "step"]
    assert others == pytest.approx(losses, rel=1e-2 if "bfloat16" in option else 1e-4)
