"""Fine-tuning: it learns classes, keeps the best, and names what is wrong with data."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.checkpoint import everyone, read_weights
from lab.classifier import FineTuning
from lab.data.labelled import per_class
from tests.lab.conftest import TINY, settings, train_options
from tests.lab.test_sample import hugging_face

Inside = Callable[..., tuple[int, str]]
WORDS = {"fruit": ["apple", "pear", "plum"], "tools": ["hammer", "saw", "axe"]}
# So many epochs, not so many iterations.
QUICK = [
    one
    for one in settings(learning_rate=1e-2, num_heads=2)
    if not one.startswith("--set=iterations")
]


def news(folder: Path, rows: int = 160) -> Path:
    """A folder in AG News' form."""
    draw = random.Random(0)
    folder.mkdir()
    (folder / "classes.txt").write_text("\n".join(WORDS) + "\n")
    for name, n in (("train.csv", rows), ("test.csv", 40)):
        with open(folder / name, "w", newline="") as file:
            table = csv.writer(file, quoting=csv.QUOTE_ALL)
            for i in range(n):
                words = list(WORDS.values())[i % 2]
                table.writerow([i % 2 + 1, draw.choice(words), draw.choice(words)])
    return folder


def test_from_scratch_and_asked(inside: Inside, tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = news(tmp_path / "news")
    code, said = inside("finetune", "--data", data, "--out", run, "--epochs", 8, *QUICK)
    assert code == 0, said
    assert "precision" in said
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    best = max(e["accuracy"] for e in entries if e["event"] == "eval")
    assert best > 0.9
    for name in ("confusion.png", "confusion.svg", "loss.png", "best.safetensors"):
        assert (run / name).stat().st_size > 0
    code, said = inside("classify", run, "apple plum", "hammer axe")
    assert code == 0, said
    assert [line.split()[1] for line in said.splitlines()] == ["fruit", "tools"]
    assert inside("report", run)[0] == 0
    page = (run / "report.html").read_text()
    assert "data:image/png" in page
    assert f"{best:.4f}" in page


def test_on_a_base(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "base", sample_every=0))[0] == 0
    table = tmp_path / "table.csv"
    lines = [f"{i},{WORDS[k][i % 3]},{k}\n" for i in range(30) for k in WORDS]
    table.write_text("n,body,kind\n" + "".join(lines))
    options = ["--data", table, "--base", tmp_path / "base", "--epochs", 1, "--set=log_every=1"]
    columns = ["--text", "body", "--label", "kind"]
    code, said = inside("finetune", *options, *columns, "--out", tmp_path / "run")
    assert code == 0, said
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["embed_dim"] == TINY["embed_dim"]
    assert config["classes"] == ["fruit", "tools"]
    code, said = inside(
        "finetune", *options, *columns, "--out", tmp_path / "r", "--set=embed_dim=8"
    )
    assert code == 2
    assert "embed_dim" in said
    code, said = inside("finetune", *options, "--text", "x", "--label", "kind", "--out", tmp_path)
    assert code == 2
    assert "no column 'x'; it has: n, body, kind" in said
    code, said = inside("sample", tmp_path / "run")
    assert code == 2
    assert "classifier" in said


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,only two", "found 2 columns"),
        ("3,a,b", "from 1 to 2, not '3'"),
        ("x,a,b", "not 'x'"),
    ],
)
def test_rows_that_are_wrong(inside: Inside, tmp_path: Path, row: str, words: str) -> None:
    data = news(tmp_path / "news")
    with open(data / "train.csv", "a") as file:
        file.write(row + "\n")
    code, said = inside("finetune", "--data", data, "--out", tmp_path / "run", *QUICK)
    assert code == 2
    assert words in said
    assert "line 161" in said
    assert not (tmp_path / "run").exists()


def test_per_class() -> None:
    first, second = per_class([[3, 1], [2, 4]], ["a", "b"])
    assert (first["precision"], first["recall"], first["rows"]) == (3 / 5, 3 / 4, 4)
    assert second["f1"] == pytest.approx(2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6))
    assert per_class([[0, 0], [0, 0]], ["a", "b"])[0]["f1"] == 0


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_resumed_it_is_the_very_same(inside: Inside, tmp_path: Path, dropout: float) -> None:
    """Stopped in the middle of an epoch, of which there are two of ten steps each."""
    data = news(tmp_path / "news", rows=40)
    how = ["--data", data, *QUICK, f"--set=dropout={dropout}", "--set=decay_iterations=20"]
    assert inside("finetune", *how, "--set=iterations=20", "--out", tmp_path / "whole")[0] == 0
    parts = tmp_path / "parts"
    assert inside("finetune", *how, "--set=iterations=13", "--out", parts)[0] == 0
    code, said = inside("finetune", "--resume", "--out", parts, "--set=iterations=20")
    assert code == 0, said
    assert "going on from iteration 13" in said
    expected = [e for e in entries(tmp_path / "whole") if e["step"] != 13]
    assert [e for e in entries(parts) if e["step"] != 13] == expected
    whole, resumed = (
        (everyone(run / "checkpoints")[-1] / "model.safetensors").read_bytes()
        for run in (tmp_path / "whole", parts)
    )
    assert whole == resumed
    config = json.loads((parts / "config.json").read_text())
    assert config["changes"] == [{"iteration": 13, "values": {"iterations": [13, 20]}}]
    (data / "train.csv").write_text('"1","other","rows"\n"2","than","before"\n')
    code, said = inside("finetune", "--resume", "--out", parts, "--set=iterations=30")
    assert code == 2
    assert "has other rows" in said


def test_so_many_iterations_or_so_many_epochs(inside: Inside, tmp_path: Path) -> None:
    how = ["finetune", "--data", news(tmp_path / "news", rows=40), *QUICK]
    assert inside(*how, "--set=iterations=13", "--out", tmp_path / "some")[0] == 0
    assert entries(tmp_path / "some")[-1]["step"] == 13
    assert inside(*how, "--epochs", 2, "--out", tmp_path / "twice")[0] == 0
    assert entries(tmp_path / "twice")[-1]["step"] == 20
    code, said = inside(*how, "--epochs", 2, "--set=iterations=9", "--out", tmp_path / "both")
    assert code == 2
    assert "give one of them" in said


def test_interrupted_it_writes_a_checkpoint(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = FineTuning.step

    def interrupted(self: FineTuning, places: torch.Tensor) -> tuple[float, float]:
        if self.done == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, places)

    monkeypatch.setattr(FineTuning, "step", interrupted)
    run = tmp_path / "run"
    code, said = inside("finetune", "--data", news(tmp_path / "news"), "--out", run, *QUICK)
    assert code == 130, said
    assert "stopped at iteration 3 of 120" in said
    assert f"lab finetune --resume --out {run}" in said
    assert everyone(run / "checkpoints")[-1].name == "00000003"
    assert inside("classify", run, "apple")[0] == 0


def test_a_loss_that_is_no_number(inside: Inside, tmp_path: Path) -> None:
    rate = ["--set=learning_rate=1e30", "--set=max_grad_norm=0", "--set=warmup_iterations=0"]
    data = news(tmp_path / "news")
    code, said = inside("finetune", "--data", data, "--out", tmp_path / "run", *QUICK, *rate)
    assert code == 2, said
    assert "smaller learning_rate" in said


def test_frozen_blocks_of_a_base(inside: Inside, tmp_path: Path) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    assert inside(*train_options(tmp_path, "base", sample_every=0, num_layers=2))[0] == 0
    how = ["--data", news(tmp_path / "news", rows=40), "--base", base, "--freeze", 1]
    code, said = inside("finetune", *how, "--epochs", 1, "--out", run)
    assert code == 0, said
    assert "of them learn" in said
    before, after = (read_weights(one / "best.safetensors") for one in (base, run))
    changed = {
        name
        for name in before
        if not torch.equal(before[name], after.get(f"backbone.{name}", before[name]))
    }
    assert changed
    assert not [name for name in changed if "blocks.0." in name or "embedding" in name]


def test_somebodys_gpt2_as_a_base(inside: Inside, tmp_path: Path) -> None:
    hugging_face(tmp_path / "hf", "")
    how = ["--data", news(tmp_path / "news", rows=40), "--base", tmp_path / "hf", "--epochs", 1]
    code, said = inside("finetune", *how, "--out", tmp_path / "run")
    assert code == 0, said


def test_adapters_learn_alone(inside: Inside, tmp_path: Path) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    assert inside(*train_options(tmp_path, "base", sample_every=0, iterations=3))[0] == 0
    how = ["--data", news(tmp_path / "news", rows=24), "--base", base, "--lora", 2]
    code, said = inside("finetune", *how, "--epochs", 1, "--out", run)
    assert code == 0, said
    assert "of them learn" in said
    assert inside("classify", run, "apple")[0] == 0
    before, after = (read_weights(one / "best.safetensors") for one in (base, run))
    kept = {name for name in before if f"backbone.{name}" in after}
    assert kept
    assert all(torch.equal(before[name], after[f"backbone.{name}"]) for name in kept)
    code, said = inside(*train_options(tmp_path, "other", lora=2))
    assert code == 2
    assert "lora is for lab finetune" in said
