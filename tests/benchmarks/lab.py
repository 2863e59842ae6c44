"""How fast the lab writes and trains.

python -m tests.benchmarks.lab write [NEW]  a GPT-2 of 124 M at batch 1, NEW tokens, against
                                            transformers: on the wall's clock, and of processors
python -m tests.benchmarks.lab train        an iteration of the presets for a CPU, in processor
                                            time with one thread: other processes do not count
python -m tests.benchmarks.lab neighbour    an iteration beside busy processes: with threads
                                            that spin, that sleep, and as the lab chooses
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from lab.environment import keep_memory, settle_threads, sleeps

if "paced" in sys.argv:
    settle_threads()

import torch

from lab.data.dataset import Dataset
from lab.data.tokens import Characters
from lab.model import build
from lab.parallel import Team
from lab.presets import PRESETS
from lab.run_folder import LANGUAGE_MODEL, Run
from lab.submission import Submission
from lab.train import Job, Training
from lab.writing import How, Writer
from tests.bank import ROOT

CODE = Submission(ROOT / "solutions")
VOCABULARY, PROMPT, NEW = 50257, 16, 256


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def both(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall's clock, and of processors."""
    started = time.perf_counter()
    processor = spent(work)
    return time.perf_counter() - started, processor


def write(new: int) -> None:
    """Milliseconds a token: without cache, with it, with it in bfloat16, and transformers'."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    run = Run(Path(), LANGUAGE_MODEL, PRESETS["gpt2-small"], {"vocab_size": VOCABULARY})
    plain = build(CODE, run.recipe, VOCABULARY).eval()
    cached = build(CODE, run.recipe, VOCABULARY, "CachedGPT2", "kv_cache").eval()
    theirs = GPT2LMHeadModel(GPT2Config()).eval()
    narrow = build(CODE, run.recipe, VOCABULARY, "CachedGPT2", "kv_cache").bfloat16().eval()
    prompt = torch.randint(VOCABULARY, (1, PROMPT))

    def ours(model: torch.nn.Module, with_cache: bool) -> Callable[[], object]:
        writer = Writer(CODE, run, Characters("ab"), model, with_cache, "")
        return lambda: writer.write(prompt, How(new, temperature=0), lambda column: None)

    def generate() -> object:
        return theirs.generate(
            prompt, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0
        )

    ways: dict[str, Callable[[], object]] = {
        "transformers, cache": generate,
        "lab, cache, float32": ours(cached, with_cache=True),
        "lab, cache, bfloat16": ours(narrow, with_cache=True),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(3):
        for name, work in ways.items():
            times[name].append(both(work))
    print(f"{new} tokens, {torch.get_num_threads()} threads")
    for name, pairs in times.items():
        _tell(name, pairs, new)
    _tell("loop without cache, float32", [both(ours(plain, with_cache=False))], new)


def _tell(name: str, pairs: list[tuple[float, float]], new: int) -> None:
    wall, processor = (statistics.median(kind) / new * 1e3 for kind in zip(*pairs, strict=True))
    print(f"{name:30} {wall:7.1f} ms a token, {processor:7.1f} of processors", flush=True)


def training(name: str) -> Training:
    """On a text of chance."""
    keep_memory()
    data = torch.randint(65, (100_000,))
    recipe = replace(PRESETS[name], sample_every=0)
    tokens = Characters("".join(map(chr, range(65))))
    run = Run(Path(), LANGUAGE_MODEL, recipe, {})
    return Training(Job(CODE, run, Dataset(data, data, ""), tokens, torch.device("cpu"), Team()))


def train(iterations: int = 60) -> None:
    """Milliseconds an iteration, the median of many."""
    torch.set_num_threads(1)
    for name in ("cpu", "cpu-fast", "demo"):
        step = training(name).step
        seconds = [spent(step) for _ in range(iterations)][10:]
        print(f"{name:10} {statistics.median(seconds) * 1e3:6.1f} ms an iteration")


def neighbour() -> None:
    """What sleeping threads are good for, and how the lab chooses (lab/environment.py)."""
    ways = {
        "spin": {"GOMP_SPINCOUNT": "300000"},  # what GNU's OpenMP does if nobody says anything
        "sleep": {"OMP_WAIT_POLICY": "passive"},
        "do as the lab chooses": {},
    }
    for beside in (0, 1, 2):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(beside)]
        try:
            for words, setting in ways.items():
                said = subprocess.run(
                    [sys.executable, "-m", "tests.benchmarks.lab", "paced"],
                    env={**os.environ, **setting},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                print(f"{beside} busy neighbours, threads that {words}: {said.stdout.strip()}")
        finally:
            for process in busy:
                process.kill()
                process.wait()


def paced(iterations: int = 40) -> None:
    """The wall's clock, as many threads as torch takes."""
    step = training("cpu").step
    times = [time.perf_counter()]
    for _ in range(iterations):
        step()
        times.append(time.perf_counter())
    each = [after - before for before, after in pairwise(times)][5:]
    waiting = "sleep" if sleeps() else "spin"
    print(
        f"{statistics.median(each) * 1e3:.0f} ms an iteration, in the mean "
        f"{statistics.fmean(each) * 1e3:.0f} ({torch.get_num_threads()} threads that {waiting})"
    )


if __name__ == "__main__":
    asked = sys.argv[1]
    if asked == "write":
        write(int(dict(enumerate(sys.argv)).get(2, NEW)))
    else:
        {"train": train, "neighbour": neighbour, "paced": paced}[asked]()
