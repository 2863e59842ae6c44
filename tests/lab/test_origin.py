"""Training from weights that are there, and what lasts of a run that is gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.checkpoint import everyone, read_weights
from lab.freezing import freeze
from lab.model import build
from lab.presets import Recipe
from lab.submission import SOLUTIONS, Submission
from tests.lab.conftest import numbers, train_options
from tests.lab.test_sample import hugging_face

Inside = Callable[..., tuple[int, str]]
SHORT = {"iterations": 6, "sample_every": 0}


def config(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "config.json").read_text("utf-8"))
    return found


def newest(run: Path) -> dict[str, torch.Tensor]:
    return read_weights(everyone(run / "checkpoints")[-1] / "model.safetensors")


@pytest.fixture(name="base")
def _base(inside: Inside, tmp_path: Path) -> Path:
    code, said = inside(*train_options(tmp_path, "base", iterations=40, learning_rate=1e-2))
    assert code == 0, said
    return tmp_path / "base"


def test_training_goes_on_from_a_run_on_another_text(
    inside: Inside, tmp_path: Path, base: Path
) -> None:
    text = (tmp_path / "text.txt").read_text("utf-8")
    (tmp_path / "other.txt").write_text(text.replace("bottles", "boats"), encoding="utf-8")
    options = ["--data", tmp_path / "other.txt", "--from", base, "--out", tmp_path / "more"]
    how = [
        "--set=iterations=4",
        "--set=eval_batches=2",
        "--set=sample_every=0",
        "--set=log_every=1",
    ]
    code, said = inside("train", *options, *how)
    assert code == 0, said
    first, fresh = numbers(tmp_path / "more")[0], numbers(base)[0]
    assert first["validation_loss"] < fresh["validation_loss"] - 0.5
    found = config(tmp_path / "more")
    assert found["from"] == str(base)
    sizes = ("embed_dim", "num_heads", "num_layers", "block_size")
    assert [found["recipe"][n] for n in sizes] == [config(base)["recipe"][n] for n in sizes]
    assert found["recipe"]["learning_rate"] == pytest.approx(1e-4)
    assert inside("sample", tmp_path / "more", "--max-new-tokens", 3)[0] == 0
    code, said = inside("train", *options[:-1], tmp_path / "again", "--set=embed_dim=32")
    assert code == 2
    assert "embed_dim cannot be set anew" in said
    (tmp_path / "strange.txt").write_text("Щ" * 500, encoding="utf-8")
    options[1] = tmp_path / "strange.txt"
    code, said = inside("train", *options[:-1], tmp_path / "again")
    assert code == 2
    assert "'Щ'" in said


def test_a_checkpoint_and_weights_of_others_are_begun_with(
    inside: Inside, tmp_path: Path, base: Path
) -> None:
    how = ["--data", tmp_path / "text.txt", "--set=iterations=3", "--set=sample_every=0"]
    place = everyone(base / "checkpoints")[0]
    code, said = inside("train", *how, "--from", place, "--out", tmp_path / "first")
    assert code == 0, said
    hugging_face(tmp_path / "hf", "")
    code, said = inside("train", *how, "--from", tmp_path / "hf", "--out", tmp_path / "second")
    assert code == 0, said
    assert config(tmp_path / "second")["recipe"]["block_size"] == 16
    (tmp_path / "nothing").mkdir()
    code, said = inside("train", *how, "--from", tmp_path / "nothing", "--out", tmp_path / "r")
    assert code == 2
    assert "holds no GPT-2" in said
    code, said = inside("train", "--resume", "--from", base, "--out", tmp_path / "first")
    assert code == 2


def test_before_the_first_checkpoint_it_begins_as_it_began(
    inside: Inside, tmp_path: Path, base: Path
) -> None:
    how = ["--data", tmp_path / "text.txt", "--from", base, "--set=iterations=3", "--threads=1"]
    how += ["--set=sample_every=0", "--set=precision=float32", "--set=linear=torch"]
    for out in ("whole", "killed"):
        assert inside("train", *how, "--out", tmp_path / out)[0] == 0
    for place in everyone(tmp_path / "killed" / "checkpoints"):
        (place / "model.safetensors").unlink()
        (place / "state.pt").unlink()
        place.rmdir()
    code, said = inside("train", "--resume", "--out", tmp_path / "killed")
    assert code == 0, said
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")


def test_what_is_set_anew_lasts(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run", **SHORT))[0] == 0
    run = tmp_path / "run"
    again = ["train", "--resume", "--out", run]
    assert inside(*again, "--set=iterations=8", "--set=eval_every=2")[0] == 0
    found = config(run)
    assert found["recipe"]["iterations"] == 8
    assert found["changes"] == [
        {"iteration": 6, "values": {"iterations": [6, 8], "eval_every": [4, 2]}}
    ]
    code, said = inside(*again)
    assert code == 0, said
    assert "going on from iteration 8" in said
    assert len(config(run)["changes"]) == 1
    assert inside("report", run)[0] == 0
    page = (run / "report.html").read_text("utf-8")
    assert "From iteration 6 on: iterations 8 in place of 6" in " ".join(page.split())


def test_other_code_that_goes_on_is_the_runs_from_then(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run", **SHORT))[0] == 0
    mine = tmp_path / "mine"
    mine.mkdir()
    text = (SOLUTIONS / "gpt2.py").read_text("utf-8")
    (mine / "gpt2.py").write_text(f"{text}\n# mine\n", encoding="utf-8")
    run = tmp_path / "run"
    options = ["--submission", mine, "--set=iterations=8"]
    code, said = inside("train", "--resume", "--out", run, *options)
    assert code == 0, said
    assert "is not what made" in " ".join(said.split())
    assert config(run)["submission"]["path"] == str(mine)
    assert "gpt2.py" in config(run)["changes"][0]["code"]
    said = inside("sample", run, "--max-new-tokens", 3)[1]
    assert "is not what made" not in said


def test_frozen_blocks_stay_as_they_are(inside: Inside, tmp_path: Path) -> None:
    options = train_options(tmp_path, "base", **SHORT, num_layers=2)
    assert inside(*options)[0] == 0
    how = ["--data", tmp_path / "text.txt", "--from", tmp_path / "base", "--freeze", 1]
    code, said = inside("train", *how, "--out", tmp_path / "run", "--set=iterations=3")
    assert code == 0, said
    assert "of them learn" in said
    before = read_weights(tmp_path / "base" / "best.safetensors")
    after = newest(tmp_path / "run")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("blocks.0.")} <= same
    assert {"token_embedding.weight", "position_embedding.weight"} <= same
    assert not {name for name in same if name.startswith("blocks.1.")}
    code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=freeze=0")
    assert code == 2
    code, said = inside("train", *how[:-1], 3, "--out", tmp_path / "other")
    assert code == 2
    assert "freeze=3 is more than num_layers=2" in said


def test_a_position_table_that_is_a_parameter_is_frozen_too() -> None:
    recipe = Recipe(embed_dim=8, num_heads=2, num_layers=1, block_size=5, freeze=1)
    model = build(Submission(SOLUTIONS), recipe, 7)
    model.position_table = torch.nn.Parameter(torch.zeros(1, 5, 8))
    freeze(model, recipe, 7)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"final_norm.weight", "final_norm.bias"}
