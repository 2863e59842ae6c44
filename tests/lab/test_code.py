"""Whose code a run is: kept with it, used again, and compared with what is there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grader.session import start
from lab.data.corpus import Corpus
from lab.data.dataset import prepare
from lab.data.tokens import GPT2Tokens
from lab.submission import SOLUTIONS, Submission
from tests.lab.conftest import one_line, train_options

Inside = Callable[..., tuple[int, str]]
MINE = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8").replace("qkv_proj", "c_attn")
SHORT = {"iterations": 4, "eval_every": 2, "checkpoint_every": 2, "sample_every": 0}


@pytest.fixture(name="mine")
def _mine(tmp_path: Path) -> Path:
    """As `grader start` lays it out, with gpt2.py written, whose weights have names of its own."""
    start(tmp_path / "att", 30, "all")
    (tmp_path / "att" / "gpt2.py").write_text(MINE, encoding="utf-8")
    return tmp_path / "att"


@pytest.fixture(name="run")
def _run(inside: Inside, tmp_path: Path, mine: Path) -> Path:
    code, said = inside(*train_options(tmp_path, "run", **SHORT), "--submission", mine)
    assert code == 0, said
    assert "gpt2.py is yours; generation.py, training.py are the worked solution's" in said
    return tmp_path / "run"


def test_the_run_knows_its_code(inside: Inside, run: Path, mine: Path) -> None:
    made_by = json.loads((run / "config.json").read_text("utf-8"))["submission"]
    assert made_by["path"] == str(mine)
    assert made_by["files"]["gpt2.py"]["whose"] == "yours"
    assert (run / "code" / "gpt2.py").read_text("utf-8") == MINE
    code, said = inside("sample", run, "--max-new-tokens", 3)
    assert code == 0, said
    assert "has changed" not in said
    assert inside("train", "--resume", "--out", run, "--set=iterations=5")[0] == 0
    assert inside("report", run)[0] == 0
    page = (run / "report.html").read_text("utf-8")
    assert "gpt2.py is yours" in page


def test_nothing_of_ones_own_is_told(inside: Inside, tmp_path: Path) -> None:
    start(tmp_path / "fresh", 30, "all")
    options = train_options(tmp_path, "run", **SHORT)
    code, said = inside(*options, "--submission", tmp_path / "fresh")
    assert code == 0, said
    assert "nothing in" in said
    assert "is written yet" in one_line(said)


def test_code_that_has_changed_is_told_first(inside: Inside, run: Path, mine: Path) -> None:
    (mine / "gpt2.py").write_text(f"{MINE}\n# another thought\n", encoding="utf-8")
    for arguments in (("sample", run, "--max-new-tokens", 3), ("train", "--resume", "--out", run)):
        code, said = inside(*arguments)
        assert code == 0, said
        assert f"gpt2.py in {mine} has changed since" in one_line(said)
    kept = run / "code"
    assert "has changed" not in inside("sample", run, "--submission", kept)[1]
    assert inside("report", run)[0] == 0
    assert "has changed since" in (run / "report.html").read_text("utf-8")


def test_other_code_over_the_same_weights_is_told(inside: Inside, run: Path, mine: Path) -> None:
    other = shutil.copytree(mine, mine.with_name("other"))
    (other / "gpt2.py").write_text(MINE.replace("math.sqrt(", "(", 1), encoding="utf-8")
    code, said = inside("sample", run, "--submission", other, "--max-new-tokens", 3)
    assert code == 0, said
    assert f"is not what made {run}: that was {mine}" in one_line(said)


def test_code_that_has_gone_is_taken_from_the_run(inside: Inside, run: Path, mine: Path) -> None:
    shutil.rmtree(mine)
    code, said = inside("sample", run, "--max-new-tokens", 3)
    assert code == 0, said


def test_a_cache_goes_with_the_model_it_was_written_for(inside: Inside, run: Path) -> None:
    said = inside("sample", run, "--max-new-tokens", 3)[1]
    assert "without a cache (this needs kv_cache.py, which is not written" in said


def test_one_file_and_its_helpers(inside: Inside, tmp_path: Path) -> None:
    """A GPT2 in a file of another name, which imports what lies beside it."""
    folder = tmp_path / "own"
    folder.mkdir()
    head, mark, rest = MINE.partition("class MLP")
    (folder / "attending.py").write_text(head, encoding="utf-8")
    (folder / "my_model.py").write_text(f"from attending import *\n\n\n{mark}{rest}", "utf-8")
    text = (folder / "my_model.py").read_text("utf-8")
    imports = "import math\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
    (folder / "my_model.py").write_text(imports + text, encoding="utf-8")
    for path in (folder, folder / "my_model.py"):
        out = f"run-{path.name}"
        code, said = inside(*train_options(tmp_path, out, **SHORT), "--submission", path)
        assert code == 0, said
        assert "attending.py, gpt2.py are yours" in said
        (folder / "attending.py").write_text(f"{head}# more\n", encoding="utf-8")
        said = inside("sample", tmp_path / out, "--max-new-tokens", 3)[1]
        assert f"attending.py in {path} has changed" in one_line(said)
        kept = tmp_path / out / "code"
        code, said = inside("sample", tmp_path / out, "--submission", kept, "--max-new-tokens", 3)
        assert code == 0, said
        assert "has changed" not in said
        (folder / "attending.py").write_text(head, encoding="utf-8")


def test_two_submissions_in_turns(mine: Path) -> None:
    first, second = Submission(mine), Submission(SOLUTIONS)
    sizes = (7, 8, 2, 1, 4)
    assert "c_attn" in str(first.get("gpt2", "GPT2")(*sizes))
    assert "qkv_proj" in str(second.get("kv_cache", "CachedGPT2")(*sizes))
    assert "c_attn" in str(first.get("gpt2", "GPT2")(*sizes))


BACKWARDS = "    def encode(self, text):\n        return super().encode(text)[::-1]\n"


def test_a_tokenizer_that_is_fixed_gives_its_tokens_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "own"
    folder.mkdir()
    right = (SOLUTIONS / "tokenizer.py").read_text("utf-8")
    wrong = right.replace("class BPETokenizer", "class _Right", 1)
    wrong += f"\n\nclass BPETokenizer(_Right):\n{BACKWARDS}"

    def dataset() -> torch.Tensor:
        tokens = GPT2Tokens("#version: 0.2\nh e\n", Submission(folder))
        return prepare(Corpus.of("hear the heavy heart"), tokens).train

    (folder / "tokenizer.py").write_text(wrong, encoding="utf-8")
    poisoned = dataset()
    (folder / "tokenizer.py").write_text(right, encoding="utf-8")
    reference = prepare(
        Corpus.of("hear the heavy heart"), GPT2Tokens("#version: 0.2\nh e\n", Submission(SOLUTIONS))
    )
    assert torch.equal(dataset(), reference.train)
    assert not torch.equal(dataset(), poisoned)


def test_a_tokenizer_with_another_comment_goes_on(inside: Inside, tmp_path: Path) -> None:
    """A resumed run asks for the same tokens, not for the same text of tokenizer.py."""
    folder = tmp_path / "own"
    folder.mkdir()
    right = (SOLUTIONS / "tokenizer.py").read_text("utf-8")
    (folder / "tokenizer.py").write_text(right, encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\n", encoding="utf-8")
    options = [*train_options(tmp_path, "run", **SHORT), "--submission", folder]
    code, said = inside(*options, "--tokens", "gpt2", "--merges", tmp_path / "merges.txt")
    assert code == 0, said
    again = ["train", "--resume", "--out", tmp_path / "run", "--set=iterations=5"]
    (folder / "tokenizer.py").write_text(f"# a remark\n{right}", encoding="utf-8")
    code, said = inside(*again)
    assert code == 0, said
    assert "tokenizer.py in" in one_line(said)
    wrong = right.replace("class BPETokenizer", "class _Right", 1)
    wrong += f"\n\nclass BPETokenizer(_Right):\n{BACKWARDS}"
    (folder / "tokenizer.py").write_text(wrong, encoding="utf-8")
    code, said = inside(*again)
    assert code == 2
    assert "tokenizer.py makes other tokens" in one_line(said)
