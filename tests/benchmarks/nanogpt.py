"""The lab's presets for a CPU against nanoGPT, on the same text, each in turn.

    python -m tests.benchmarks.nanogpt PATH [ITERATIONS] [--seeds N] [--only PART]
    python -m tests.benchmarks.nanogpt PATH --pace ROUNDS
    python -m tests.benchmarks.nanogpt PATH --slices SECONDS [--seeds N] [--only PART]

PATH: a checkout of nanoGPT (train.py, model.py, config/train_shakespeare_char.py) whose
data/shakespeare_char has been prepared. nanoGPT runs the command for a CPU of its README.

Time is that of training: measurements of the loss are left out on both sides, the first
iterations are not. Beside it stand wall and processor time of the whole command, with imports,
measurements, samples and pictures. Leave the machine alone meanwhile. The loss is that of the
whole last tenth of the text, cut into blocks, for every model the same, in float32. What the lab
has trained is compared with the judge's GPT-2 in float64, too.

A shared machine gives much in one minute and little in the next. With --slices all are begun, and
stopped and let go on in turn, so that each gets its slices of the same minutes; what is compared is
the time of whole commands, without that in which they were stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grader.gpt2 import oracle
from lab.checkpoint import WEIGHTS, everyone, put_weights, read_weights
from lab.data.tokens import Characters
from lab.model import build
from lab.presets import PRESETS, Recipe
from lab.submission import Submission
from tests.bank import ROOT
from tests.benchmarks.turns import Command, Task, in_turn

BLOCK, HELD_OUT = 64, 0.1
GELU = oracle.gelu_tanh
NOISE = 1e-3  # float32 against float64
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
PARTS = ("cpu", "cpu-quick", "cpu-fast")
EVALUATED_EVERY = 250  # nanoGPT's config
SHORT = 250  # iterations, after which nanoGPT has saved its model


@dataclass(frozen=True)
class Trained:
    """A run that ended.

    iteration: median in milliseconds. seconds: of training. whole, processor: seconds of the whole
    command, on the wall's clock and of all cores.
    """

    iterations: int
    iteration: float
    seconds: float
    whole: float
    processor: float
    loss: float

    def __str__(self) -> str:
        return (
            f"{self.iteration:7.2f} ms an iteration {self.seconds:8.1f} s of training, "
            f"{self.whole:6.1f} s in all, {self.processor:6.1f} s of processors, "
            f"validation loss {self.loss:.4f}"
        )


def nanogpt(checkout: Path, iterations: int) -> Task[Trained]:
    """Train nanoGPT; its training script says every iteration's time."""
    with tempfile.TemporaryDirectory() as out:
        settings = {
            **NANOGPT,
            "max_iters": iterations,
            "lr_decay_iters": iterations,
            "out_dir": out,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        ran = yield Command(["train.py", "config/train_shakespeare_char.py", *options], checkout)
        loss = _loss(_nanogpts_model(checkout, Path(out) / "ckpt.pt"), _held_out(checkout))
    said = re.findall(r"^iter \d+: .* time ([\d.]+)ms", ran.said, re.MULTILINE)
    times = [float(ms) for ms in said]
    usual = statistics.median(times)
    # An iteration that follows a measurement of the loss has that in its time; one in which the
    # command was stopped, that.
    training = [
        usual if i % EVALUATED_EVERY == 0 or ms > 1e3 * ran.slice else ms
        for i, ms in enumerate(times)
    ]
    return Trained(len(times), usual, sum(training) / 1e3, ran.whole, ran.processor, loss)


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


def lab(checkout: Path, preset: str, iterations: int, seed: int = 1337) -> Task[Trained]:
    """Train with the lab, by its command; its log says how many tokens a second."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = {"iterations": iterations, "seed": seed, "sample_every": 0}
        changed = [f"--set={name}={value}" for name, value in settings.items()]
        source = ["--data", str(text_of(checkout)), "--preset", preset, "--out", str(out)]
        ran = yield Command(["-m", "lab", "train", *source, *changed], ROOT)
        entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        model, held_out = _labs_model(out), _held_out(checkout)
        loss, difference = _loss(model, held_out), _differs(model, held_out[:BLOCK])
    if difference > NOISE:
        sys.exit(f"preset {preset}: what was trained is no GPT-2: logits differ by {difference}")
    steps = [entry for entry in entries if entry["event"] == "step"]
    recipe = PRESETS[preset]
    tokens = recipe.batch_size * recipe.accumulation * recipe.block_size
    paces = [tokens / entry["tokens_per_second"] for entry in steps]
    usual = statistics.median(paces)
    paces = [usual if recipe.log_every * pace > ran.slice else pace for pace in paces]
    return Trained(
        iterations,
        usual * 1e3,
        statistics.fmean(paces) * iterations,
        ran.whole,
        ran.processor,
        loss,
    )


def _labs_model(out: Path) -> nn.Module:
    """The plain GPT2 of solutions/, with the last weights of the run."""
    config = json.loads((out / "config.json").read_text())
    model = build(Submission(ROOT / "solutions"), Recipe(**config["recipe"]), config["vocab_size"])
    weights = everyone(out / "checkpoints")[-1] / WEIGHTS
    put_weights(model, read_weights(weights), str(weights))
    return model


def _differs(model: nn.Module, ids: torch.Tensor) -> float:
    """The largest difference of the logits from those of the grader's oracle."""
    with torch.no_grad():
        logits = model(ids[None]).double().numpy()
    return float(np.abs(logits - oracle.gpt2(ids[None].numpy(), _weights(model), GELU)).max())


def _weights(model: nn.Module) -> oracle.Gpt2:
    """The weights of solutions/gpt2.py under the oracle's names."""
    w = {name: t.detach().double().numpy() for name, t in model.named_parameters()}
    width = w["final_norm.weight"].size
    heads = PRESETS["cpu-fast"].num_heads

    def block(at: str) -> oracle.Block:
        qkv = w[f"{at}.attn.qkv_proj.weight"].reshape(3, heads, width // heads, width)
        biases = w[f"{at}.attn.qkv_proj.bias"].reshape(3, heads, width // heads)
        out = w[f"{at}.attn.out_proj.weight"].reshape(width, heads, width // heads)
        mlp = [
            w[f"{at}.mlp.{name}"]
            for name in ("up_proj.weight", "up_proj.bias", "down_proj.weight", "down_proj.bias")
        ]
        return oracle.Block(
            norm(f"{at}.attn_norm"),
            oracle.Attention(*qkv, out, *biases, w[f"{at}.attn.out_proj.bias"]),
            norm(f"{at}.mlp_norm"),
            oracle.Mlp(*mlp),
        )

    def norm(at: str) -> oracle.Norm:
        return oracle.Norm(w[f"{at}.weight"], w[f"{at}.bias"])

    tokens = w["token_embedding.weight"]  # and the head's
    return oracle.Gpt2(
        tokens,
        w["position_embedding.weight"],
        [block(f"blocks.{i}") for i in range(PRESETS["cpu-fast"].num_layers)],
        norm("final_norm"),
        tokens,
        np.zeros(len(tokens)),
    )


def text_of(checkout: Path) -> Path:
    return checkout / "data" / "shakespeare_char" / "input.txt"


def _held_out(checkout: Path) -> torch.Tensor:
    text = text_of(checkout).read_text(encoding="utf-8")
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


def compare_cpu(ours: Trained, theirs: Trained) -> None:
    """The same model, batch, learning rate and number of iterations."""
    print(
        f"  time of an iteration: {ours.iteration / theirs.iteration:.2f} of nanoGPT's (asked: "
        f"{ASKED['cpu']}); loss {ours.loss:.3f}, nanoGPT's {theirs.loss:.3f}",
        flush=True,
    )


def compare_fast(ours: Trained, theirs: Trained, share: float, wanted: float) -> None:
    """The same architecture and data: the loss in a share of the time."""
    print(
        f"  loss {ours.loss:.3f} (asked: {wanted:.3f}) in {ours.seconds / theirs.seconds:.2f} of "
        f"nanoGPT's time of training, {ours.whole / theirs.whole:.2f} of that of its command "
        f"(asked: {share})",
        flush=True,
    )


def compare_pace(checkout: Path, rounds: int) -> None:
    """The time of an iteration, by short runs in turn: a machine's good and bad minutes hit all."""
    ratios: dict[str, list[float]] = {preset: [] for preset in PARTS if preset != "cpu-quick"}
    for _ in range(rounds):
        (theirs,) = in_turn(nanogpt(checkout, SHORT))
        for preset, found in ratios.items():
            (ours,) = in_turn(lab(checkout, preset, SHORT))
            found.append(ours.iteration / theirs.iteration)
            said = f"{preset} {found[-1]:.2f} of that"
            print(f"  nanoGPT {theirs.iteration:.1f} ms an iteration, {said}", flush=True)
    for preset, found in ratios.items():
        print(
            f"{preset}: an iteration takes {statistics.median(found):.2f} of nanoGPT's time "
            f"({min(found):.2f} to {max(found):.2f} in {rounds} rounds)"
        )


def main() -> None:
    """Run all, or a part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("iterations", type=int, nargs="?", default=2000)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each kind")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--pace", type=int, metavar="ROUNDS", help="the pace alone, in turn")
    parser.add_argument("--slices", type=float, metavar="SECONDS", default=math.inf)
    asked = parser.parse_args()
    checkout = asked.path.resolve()
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    started = time.monotonic()
    if asked.pace:
        compare_pace(checkout, asked.pace)
        return
    presets = asked.only or PARTS
    for seed in range(1337, 1337 + asked.seeds):
        # Anew for each seed: what a machine has to give goes up and down.
        lengths = [asked.iterations if p == "cpu" else PRESETS[p].iterations for p in presets]
        trainings = [lab(checkout, *of, seed) for of in zip(presets, lengths, strict=True)]
        theirs, *all_ours = in_turn(
            nanogpt(checkout, asked.iterations), *trainings, slices=asked.slices
        )
        print(f"seed {seed}\nnanoGPT:              {theirs}", flush=True)
        for preset, ours in zip(presets, all_ours, strict=True):
            print(f"lab, {preset:9}:       {ours}, {ours.iterations} iterations")
            if preset == "cpu":
                compare_cpu(ours, theirs)
            elif preset == "cpu-quick":
                compare_fast(ours, theirs, ASKED["time"], theirs.loss)
            else:
                compare_fast(ours, theirs, 1, ASKED["loss"])
    print(f"all of it took {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
