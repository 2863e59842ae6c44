"""Vocabularies that come with weights: the numbers are those that their files give out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.data.tokens import GPT2Tokens, Tokens, find_merges
from lab.submission import Submission
from lab.writing import writer
from tests.lab.conftest import SOLUTIONS
from tests.lab.test_weights import SMALL, published

tokenizers = pytest.importorskip("tokenizers")
Inside = Callable[..., tuple[int, str]]
TEXT = "17 green bottles, hanging on the wall. Überall! \n"


def trained(special: list[str]) -> Any:
    """A byte-level BPE as people train it: special tokens first, bytes in another order."""
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT] * 9, 300, min_frequency=1, special_tokens=special)
    return tokenizer


def run_tokens(run: Path) -> Tokens:
    return writer(run, Submission(SOLUTIONS), torch.device("cpu"), torch.float32).tokens


@pytest.mark.parametrize("special", [["<|endoftext|>"], ["<pad>", "<|endoftext|>", "<|user|>"]])
@pytest.mark.parametrize("files", ["vocab.json", "tokenizer.json"])
def test_numbers_given_out_in_another_order(
    inside: Inside, tmp_path: Path, special: list[str], files: str
) -> None:
    folder, tokenizer = tmp_path / "hf", trained(special)
    published(folder, **{**SMALL, "vocab_size": 320})
    if files == "vocab.json":
        tokenizer.save_model(str(folder))
    else:
        tokenizer.save(str(folder / "tokenizer.json"))
    assert inside("load-gpt2", folder, "--out", tmp_path / "run")[0] == 0
    tokens = run_tokens(tmp_path / "run")
    text = TEXT + "<|endoftext|>" + TEXT
    expected = tokenizer.encode(text).ids
    assert tokens.encode(text).tolist() == expected
    assert tokens.decode(expected) == text
    assert tokens.end == special.index("<|endoftext|>")
    code, said = inside("sample", tmp_path / "run", "--prompt", "17 green", "--max-new-tokens", 30)
    assert code == 0, said
    assert "17 green" in said


@pytest.mark.parametrize(
    ("vocab_size", "known"), [(50257, 50257), (50304, 50257), (50264, 50257), (51000, None)]
)
def test_gpt2s_own_where_none_comes(
    inside: Inside, tmp_path: Path, vocab_size: int, known: int | None
) -> None:
    published(tmp_path / "hf", **{**SMALL, "vocab_size": vocab_size})
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 0, said
    tokens = run_tokens(tmp_path / "run")
    assert ("tokens are shown as numbers" in said) == (known is None)
    if known is not None:
        assert tokens.encode("Hello world").tolist() == [15496, 995]
        assert len(tokens.unused) == vocab_size - known
        assert tokens.decode([15496, vocab_size - 1, 995]).startswith("Hello")


def test_a_vocabulary_that_does_not_fit(inside: Inside, tmp_path: Path) -> None:
    """Merges without some of their tokens, two tokens of one number: numbers, and a word of it."""
    folder = tmp_path / "hf"
    published(folder, **{**SMALL, "vocab_size": 320})
    trained(["<|endoftext|>"]).save_model(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    vocab["a"] = vocab["b"]
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    code, said = inside("load-gpt2", folder, "--out", tmp_path / "run")
    assert code == 0, said
    assert "tokens are shown as numbers" in said
    (folder / "vocab.json").write_text("[1]")
    code, said = inside("load-gpt2", folder, "--out", tmp_path / "other")
    assert code == 2
    assert "vocab.json is no vocabulary" in said


def test_a_saved_vocabulary_is_read_again(tmp_path: Path) -> None:
    code = Submission(SOLUTIONS)
    plain = GPT2Tokens(find_merges(None), code)
    assert set(plain.saved()) == {"kind", "merges", "code"}
