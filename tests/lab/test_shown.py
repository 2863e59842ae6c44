"""What a run shows: its text and arithmetic, numbers to compare, and what was meant."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import about, checkpoint, race
from lab.log import perplexity
from lab.plot import plot, ticks
from lab.presets import PRESETS, Recipe
from lab.progress import fitting
from tests.lab.conftest import SOLUTIONS, numbers, one_line, train_options

Inside = Callable[..., tuple[int, str]]


def test_the_text_and_what_computes_are_named(inside: Inside, tmp_path: Path) -> None:
    code, said = inside(*train_options(tmp_path, "run", iterations=3))
    assert code == 0, said
    assert "/text.txt, on cpu" in said.replace("\n", "")
    assert "in float32, linear layers by torch" in one_line(said)
    assert "perplexity" in said
    assert inside("report", tmp_path / "run")[0] == 0
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "text.txt" in page
    assert "(perplexity " in page
    assert 'aria-label="Learning rate over iterations."' in page


def test_a_run_like_another_keeps_to_its_arithmetic(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"precision": "auto", "linear": "auto", "iterations": 3, "sample_every": 0}
    monkeypatch.setattr(race, "_times", lambda: {"onednn": 3.0, "torch": 3.0, "bfloat16": 1.0})
    code, said = inside(*train_options(tmp_path, "first", **free))
    assert code == 0, said
    assert f"arithmetic settled by trying; --like {tmp_path}" in said.replace("\n", "")
    # The other would win now.
    monkeypatch.setattr(race, "_times", lambda: {"onednn": 3.0, "torch": 1.0, "bfloat16": 3.0})
    like = ["--data", tmp_path / "text.txt", "--like", tmp_path / "first"]
    code, said = inside("train", *like, "--out", tmp_path / "second")
    assert code == 0, said
    assert numbers(tmp_path / "second") == numbers(tmp_path / "first")
    code, said = inside("train", *like, "--out", tmp_path / "first", "--resume")
    assert code == 2
    assert "--like and --from are for a new run" in said


def test_runs_are_compared(inside: Inside, tmp_path: Path) -> None:
    options = {"iterations": 6, "sample_every": 0}
    assert inside(*train_options(tmp_path, "slow", **options))[0] == 0
    assert inside(*train_options(tmp_path, "fast", **options, learning_rate=1e-2))[0] == 0
    page = tmp_path / "both.html"
    code, said = inside("compare", tmp_path / "slow", tmp_path / "fast", "--html", page)
    assert code == 0, said
    assert [line.split("│")[1].strip() for line in said.splitlines() if "learning_rate" in line]
    assert "do not compare" not in said
    assert page.read_text("utf-8").count("<polyline") == 2
    (tmp_path / "text.txt").write_text("another text, of some length. " * 50, encoding="utf-8")
    assert inside(*train_options(tmp_path, "other", **options))[0] == 0
    said = inside("compare", tmp_path / "slow", tmp_path / "other")[1]
    assert "their losses do not compare" in said
    assert inside("compare", tmp_path / "slow")[0] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "max_iterations=5"], "did you mean iterations?"),
        (["--set", "n_layer=5"], "did you mean num_layers?"),
        (["--set", "learning-rate=5"], "did you mean learning_rate?"),
        (["--set", "precision=float"], "did you mean float32?"),
        (["--preset", "cpufast"], "did you mean cpu-fast?"),
        (["--set", "zzz=5"], "with a name of embed_dim"),
    ],
)
def test_what_was_meant(inside: Inside, tmp_path: Path, options: list[str], words: str) -> None:
    code, said = inside("train", "--out", tmp_path / "run", *options)
    assert code == 2
    assert words in one_line(said)


def test_a_command_that_was_meant(inside: Inside) -> None:
    code, said = inside("trian")
    assert code == 2
    assert "did you mean train?" in said


def test_every_preset_and_value_is_explained(inside: Inside) -> None:
    assert set(about.PRESETS) == set(PRESETS)
    assert set(about.VALUES) == set(Recipe.__dataclass_fields__)
    said = inside("presets")[1]
    for words in (*about.PRESETS.values(), *about.VALUES.values()):
        assert words in said


def test_a_warm_up_that_never_ends_is_told(inside: Inside, tmp_path: Path) -> None:
    said = inside(*train_options(tmp_path, "run", iterations=3, warmup_iterations=5))[1]
    assert "the learning rate only rises" in one_line(said)


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (80, "loss 1.234, validation 1.345, 12,345 tokens a second, 1:02 left"),
        (45, "loss 1.234, validation 1.345, 1:02 left"),
        (25, "loss 1.234, 1:02 left"),
        (5, "1:02 left"),
    ],
)
def test_a_narrow_terminal_keeps_its_bar(room: int, shown: str) -> None:
    facts = ["loss 1.234", "validation 1.345", "12,345 tokens a second"]
    assert fitting(facts, "1:02 left", room) == shown


def test_several_samples_of_a_prompt(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run", iterations=3, sample_every=0))[0] == 0
    how = ["--prompt", "7 green", "--num-samples", 3, "--max-new-tokens", 9]
    code, said = inside("sample", tmp_path / "run", *how)
    assert code == 0, said
    texts = said.partition("\n")[2].split("\n---\n")[:-1]
    assert len(set(texts)) == 3
    assert all(text.startswith("7 green") for text in texts)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("y = weights @ v ", "y = weights @ v[:, :, :1, :3] "), "raised RuntimeError"),
        (("import math\n", "import math\n\nmath.sqrt(-1)\n"), "raised ValueError: math domain"),
        (("import math\n", "import math\n\nnothing\n"), "raised NameError: name 'nothing'"),
    ],
)
def test_what_a_submission_raises_is_shown_in_its_own_lines(
    inside: Inside, tmp_path: Path, edit: tuple[str, str], words: str
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    text = (SOLUTIONS / "gpt2.py").read_text("utf-8")
    assert edit[0] in text
    (mine / "gpt2.py").write_text(text.replace(*edit, 1), encoding="utf-8")
    code, said = inside(*train_options(tmp_path, "run"), "--submission", mine)
    assert code == 2
    assert words in said
    assert f'File "{mine / "gpt2.py"}", line' in said
    assert "site-packages" not in said
    assert f"grader grade {mine}" in said
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_synced(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a folder cannot be opened."""
    plain = os.open

    def of_files(path: Any, *rest: Any, **named: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *rest, **named)

    monkeypatch.setattr(checkpoint.os, "open", of_files)
    code, said = inside(*train_options(tmp_path, "run", iterations=4, checkpoint_every=2))
    assert code == 0, said
    assert "could not be written" not in said
    assert len(checkpoint.everyone(tmp_path / "run" / "checkpoints")) == 2


def test_perplexity() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(1e6) > 1e300


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 200, ["0", "50", "100", "150", "200"]),
        (2.43, 4.58, ["2.5", "3", "3.5", "4", "4.5"]),
        (0, 4000, ["0", "1,000", "2,000", "3,000", "4,000"]),
        (2e-4, 1e-3, ["0.0002", "0.0004", "0.0006", "0.0008", "0.001"]),
        (3, 3, ["3"]),
    ],
)
def test_ticks_are_round(low: float, high: float, words: list[str]) -> None:
    assert [word for _, word in ticks(low, high)] == words


def test_a_curve_that_ends_in_no_number() -> None:
    drawn = plot({"loss": [(0, 3.0), (1, 2.0), (2, float("nan"))]})
    assert drawn is not None
    assert "nan" not in drawn.curves["loss"]
    assert plot({"loss": [(1, 2.0)]}) is None


def test_a_config_of_before(inside: Inside, tmp_path: Path) -> None:
    """A run that knows only the path of its code."""
    assert inside(*train_options(tmp_path, "run", iterations=3, sample_every=0))[0] == 0
    run = tmp_path / "run"
    shutil.rmtree(run / "code", ignore_errors=True)
    config = json.loads((run / "config.json").read_text("utf-8"))
    config["submission"] = str(SOLUTIONS)
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert inside("sample", run, "--max-new-tokens", 3)[0] == 0
    assert inside("report", run)[0] == 0
