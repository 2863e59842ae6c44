"""The lab's presets for a CPU against nanoGPT, on the same text, each in turn.

    python -m tests.benchmarks.nanogpt PATH [ITERATIONS] [--seeds N] [--only PART]

PATH: a checkout of nanoGPT (train.py, model.py, config/train_shakespeare_char.py) whose
data/shakespeare_char has been prepared. nanoGPT runs the command for a CPU of its README.

Time is that of training: measurements of the loss are left out on both sides, the first
iterations are not. The loss is that of the whole last tenth of the text, cut into blocks, for
every model the same, in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from lab.data.tokens import Characters
from lab.model import build
from lab.presets import PRESETS
from lab.submission import Submission
from tests.bank import ROOT

BLOCK, HELD_OUT = 64, 0.1
NANOGPT = {
    "device": "cpu",
    "compile": False,
    "eval_iters": 20,
    "log_interval": 1,
    "block_size": BLOCK,
    "batch_size": 12,
    "n_layer": 4,
    "n_head": 4,
    "n_embd": 128,
    "dropout": 0.0,
    "always_save_checkpoint": True,
}
ASKED = {"cpu": 0.95, "time": 0.25, "loss": 1.55}
EVALUATED_EVERY = 250  # nanoGPT's config


@dataclass(frozen=True)
class Trained:
    """A run that ended: milliseconds an iteration, seconds of training, and its loss."""

    iteration: float
    seconds: float
    loss: float

    def __str__(self) -> str:
        return (
            f"{self.iteration:7.2f} ms an iteration {self.seconds:8.1f} s of training, "
            f"validation loss {self.loss:.4f}"
        )


def nanogpt(checkout: Path, iterations: int) -> Trained:
    """Train nanoGPT; its training script says every iteration's time."""
    with tempfile.TemporaryDirectory() as out:
        settings = {
            **NANOGPT,
            "max_iters": iterations,
            "lr_decay_iters": iterations,
            "out_dir": out,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        said = _ran(["train.py", "config/train_shakespeare_char.py", *options], checkout)
        loss = _loss(_nanogpts_model(checkout, Path(out) / "ckpt.pt"), _held_out(checkout))
    times = [float(ms) for ms in re.findall(r"^iter \d+: .* time ([\d.]+)ms", said, re.MULTILINE)]
    usual = statistics.median(times)
    # An iteration that follows a measurement of the loss has that in its time.
    training = [usual if i % EVALUATED_EVERY == 0 else ms for i, ms in enumerate(times)]
    return Trained(usual, sum(training) / 1e3, loss)


def _nanogpts_model(checkout: Path, saved: Path) -> nn.Module:
    sys.path.insert(0, str(checkout))
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    state = torch.load(saved, map_location="cpu", weights_only=True)
    model = GPT(GPTConfig(**state["model_args"]))
    model.load_state_dict(state["model"])

    class Logits(nn.Module):
        def forward(self, idx: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = model(idx, idx)[0]  # with targets it gives all positions
            return logits

    return Logits()


def lab(checkout: Path, preset: str, iterations: int, seed: int = 1337) -> Trained:
    """Train with the lab, by its command; its log says how many tokens a second."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = {"iterations": iterations, "seed": seed, "sample_every": 0}
        changed = [f"--set={name}={value}" for name, value in settings.items()]
        source = ["--data", str(_text(checkout)), "--preset", preset, "--out", str(out)]
        _ran(["-m", "lab", "train", *source, *changed], ROOT)
        entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        loss = _loss(_labs_model(out), _held_out(checkout))
    steps = [entry for entry in entries if entry["event"] == "step"]
    recipe = PRESETS[preset]
    tokens = recipe.batch_size * recipe.accumulation * recipe.block_size
    paces = [tokens / entry["tokens_per_second"] for entry in steps]
    return Trained(statistics.median(paces) * 1e3, statistics.fmean(paces) * iterations, loss)


def _labs_model(out: Path) -> nn.Module:
    """The plain GPT2 of solutions/, with the last weights of the run."""
    from lab.checkpoint import WEIGHTS, everyone, put_weights, read_weights

    config = json.loads((out / "config.json").read_text())
    from lab.presets import Recipe

    model = build(Submission(ROOT / "solutions"), Recipe(**config["recipe"]), config["vocab_size"])
    weights = everyone(out / "checkpoints")[-1] / WEIGHTS
    put_weights(model, read_weights(weights), str(weights))
    return model


def _text(checkout: Path) -> Path:
    return checkout / "data" / "shakespeare_char" / "input.txt"


def _held_out(checkout: Path) -> torch.Tensor:
    text = _text(checkout).read_text(encoding="utf-8")
    ids = torch.from_numpy(Characters.of([text]).encode(text))
    return ids[len(ids) - int(len(ids) * HELD_OUT) :]


@torch.no_grad()
def _loss(model: nn.Module, ids: torch.Tensor) -> float:
    """Mean over all blocks, in nats a token."""
    model.eval()
    blocks = (len(ids) - 1) // BLOCK
    inputs, targets = (ids[i:][: blocks * BLOCK].view(-1, BLOCK) for i in (0, 1))
    losses = [
        F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
        for x, y in zip(inputs.split(128), targets.split(128), strict=True)
    ]
    return sum(losses) / (blocks * BLOCK)


def _ran(arguments: Sequence[str], folder: Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def compare_cpu(checkout: Path, iterations: int, seeds: int, theirs: Trained) -> None:
    """The same model, batch and learning rate."""
    losses = []
    for seed in range(1337, 1337 + seeds):
        ours = lab(checkout, "cpu", iterations, seed)
        losses.append(ours.loss)
        print(f"lab, cpu, seed {seed}:  {ours}", flush=True)
        ratio = ours.iteration / theirs.iteration
        print(f"  time of an iteration: {ratio:.2f} of nanoGPT's (asked: {ASKED['cpu']})")
    print(
        f"  loss: {min(losses):.3f} to {max(losses):.3f}, nanoGPT's {theirs.loss:.3f}", flush=True
    )


def compare_fast(checkout: Path, theirs: Trained) -> None:
    """The same architecture and data: less time to the same loss, less loss in the same time."""
    pace = lab(checkout, "cpu-fast", 60).iteration / 1e3
    short = lab(checkout, "cpu-fast", int(0.9 * ASKED["time"] * theirs.seconds / pace))
    print(f"lab, cpu-fast, short: {short}")
    reached = "reached" if short.loss <= theirs.loss else "NOT reached"
    ratio = short.seconds / theirs.seconds
    print(
        f"  nanoGPT's loss of {theirs.loss:.3f} {reached} in {ratio:.2f} of its time "
        f"(asked: {ASKED['time']})",
        flush=True,
    )
    pace = short.seconds / max(1, int(0.9 * ASKED["time"] * theirs.seconds / pace))
    long = lab(checkout, "cpu-fast", int(0.98 * theirs.seconds / pace))
    print(f"lab, cpu-fast, long:  {long}")
    print(
        f"  loss {long.loss:.3f} in {long.seconds / theirs.seconds:.2f} of nanoGPT's time "
        f"(asked: {ASKED['loss']})",
        flush=True,
    )


def main() -> None:
    """Run all, or a part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("iterations", type=int, nargs="?", default=2000)
    parser.add_argument("--seeds", type=int, default=1, help="runs of the preset cpu")
    parser.add_argument("--only", choices=("cpu", "cpu-fast"))
    asked = parser.parse_args()
    checkout = asked.path.resolve()
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    started = time.monotonic()
    theirs = nanogpt(checkout, asked.iterations)
    print(f"nanoGPT:              {theirs}", flush=True)
    if asked.only != "cpu-fast":
        compare_cpu(checkout, asked.iterations, asked.seeds, theirs)
    if asked.only != "cpu":
        compare_fast(checkout, theirs)
    print(f"all of it took {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
