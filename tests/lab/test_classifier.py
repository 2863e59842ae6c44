"""Fine-tuning: it learns classes, keeps the best, and names what is wrong with data."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.data.labelled import per_class
from tests.lab.conftest import TINY, settings, train_options

Inside = Callable[..., tuple[int, str]]
WORDS = {"fruit": ["apple", "pear", "plum"], "tools": ["hammer", "saw", "axe"]}
QUICK = settings(learning_rate=1e-2, num_heads=2)


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
