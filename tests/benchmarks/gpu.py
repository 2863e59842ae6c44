"""Training GPT-2 small on a GPU: the lab against nanoGPT, on the same tokens, each in turn.

    python -m tests.benchmarks.gpu PATH [ITERATIONS] [--peak FLOPS] [--device D] [--set NAME=VALUE]

PATH: a checkout of nanoGPT (train.py, model.py) with data/shakespeare_char/input.txt. Both train
GPT-2 small as they do by themselves, 491,520 tokens to a step, compiled. Model FLOPs utilisation
is counted for both as nanoGPT does (appendix B of https://arxiv.org/abs/2204.02311): 6 N + 12 L C T
for each token, N without the position table. The peak is that of the GPU in dense bfloat16.

--set changes the lab's recipe, and what corresponds to it in nanoGPT: to try this on a CPU.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from lab import device
from lab.data.corpus import read_corpus
from lab.data.dataset import Dataset, prepare
from lab.data.tokens import GPT2Tokens, find_merges
from lab.errors import LabError
from lab.model import build, count
from lab.presets import Recipe, changed, preset
from lab.submission import Submission
from tests.bank import ROOT
from tests.benchmarks.nanogpt import text_of
from tests.benchmarks.turns import Command, run

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # of NVIDIA's data sheets
# What nanoGPT calls the lab's settings.
NAMES = {
    "embed_dim": "n_embd",
    "num_heads": "n_head",
    "num_layers": "n_layer",
    "block_size": "block_size",
    "batch_size": "batch_size",
    "accumulation": "gradient_accumulation_steps",
}


def nanogpt(checkout: Path, data: Dataset, recipe: Recipe, iterations: int, on: str) -> float:
    """Median seconds of a step."""
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("train", data.train), ("val", data.validation)):
            part.numpy().astype(np.uint16).tofile(Path(folder) / f"{name}.bin")
        settings = {
            **{theirs: getattr(recipe, ours) for ours, theirs in NAMES.items()},
            **{"dataset": folder, "out_dir": f"{folder}/out", "max_iters": iterations},
            **{"eval_iters": 1, "eval_interval": 1_000_000, "log_interval": 1, "device": on},
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        said = run(Command(["train.py", *options], checkout)).said
    times = [float(ms) / 1e3 for ms in re.findall(r"^iter \d+: .* time ([\d.]+)ms", said, re.M)]
    return statistics.median(times)


def lab(text: Path, recipe: Recipe, settings: list[str], iterations: int, on: str) -> float:
    """Median seconds of a step."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        quiet = {"iterations": iterations, "log_every": 1, "eval_batches": 1}
        rare = dict.fromkeys(("eval_every", "sample_every", "checkpoint_every"), 0)
        given = [*settings, *(f"{name}={value}" for name, value in (quiet | rare).items())]
        where = ["--data", str(text), "--out", str(out), "--device", on]
        options = [f"--set={setting}" for setting in given]
        run(Command(["-m", "lab", "train", *where, "--preset", "gpt2-small", *options], ROOT))
        entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    paces = [entry["tokens_per_second"] for entry in entries if entry["event"] == "step"]
    return tokens_in(recipe) / statistics.median(paces)


def tokens_in(recipe: Recipe) -> int:
    """Tokens to a step."""
    return recipe.accumulation * recipe.batch_size * recipe.block_size


def flops(recipe: Recipe) -> float:
    """Of a token, forward and backward, by the formula above."""
    with torch.device("meta"):
        model = build(Submission(ROOT / "solutions"), recipe, 50_257)
    weights = count(model) - recipe.block_size * recipe.embed_dim
    return 6.0 * weights + 12.0 * recipe.num_layers * recipe.embed_dim * recipe.block_size


def main() -> None:
    """Both in turn."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("iterations", type=int, nargs="?", default=200)
    parser.add_argument("--peak", type=float, help="of the device, in FLOPs a second")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    checkout = asked.path.resolve()
    try:
        where = device.choose(asked.device)
        recipe = changed(preset("gpt2-small"), asked.settings)
        text = text_of(checkout)
        tokens = GPT2Tokens(find_merges(None), Submission(ROOT / "solutions"))
        data = prepare(read_corpus(str(text)), tokens)
    except (LabError, OSError) as error:
        sys.exit(str(error))
    words = device.in_words(where)
    peak = asked.peak or next((p for name, p in PEAKS.items() if name in words), 0.0)
    print(f"{words}, torch {torch.__version__}, {tokens_in(recipe):,} tokens to a step", flush=True)
    paces = {}
    for name, measure in (
        ("nanoGPT", lambda: nanogpt(checkout, data, recipe, asked.iterations, asked.device)),
        ("lab", lambda: lab(text, recipe, asked.settings, asked.iterations, asked.device)),
    ):
        paces[name] = tokens_in(recipe) / measure()
        share = f", {flops(recipe) * paces[name] / peak:.1%} of the peak" if peak else ""
        print(f"{name:8} {paces[name]:12,.0f} tokens a second{share}", flush=True)
    print(f"lab to nanoGPT: {paces['lab'] / paces['nanoGPT']:.2f}")


if __name__ == "__main__":
    main()
