"""Texts, datasets and bad input: said before anything is made."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lab.data import fetched
from lab.data.corpus import Corpus, read_corpus
from lab.data.dataset import prepare
from lab.data.texts import python_documentation
from lab.data.tokens import Characters
from lab.errors import LabError
from lab.presets import PRESETS, changed
from tests.lab.conftest import SOLUTIONS, TEXT, settings, train_options

Inside = Callable[..., tuple[int, str]]


@pytest.fixture(name="_cache", autouse=True)
def _in_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def test_a_dataset_is_prepared_once(tmp_path: Path) -> None:
    tokens = Characters.of([TEXT])
    first = prepare(Corpus.of(TEXT), tokens)
    file = tmp_path / "cache" / "datasets" / first.key / "tokens.bin"
    made = file.stat().st_mtime_ns
    again = prepare(Corpus.of(TEXT), tokens)
    assert file.stat().st_mtime_ns == made
    assert again.train.dtype == torch.int64
    together = torch.cat([again.train, again.validation]).tolist()
    assert tokens.decode(together) == TEXT
    assert len(again.validation) == len(TEXT) // 10
    assert prepare(Corpus.of(TEXT + "1"), tokens).key != first.key
    again.train[0] = 1  # in memory only
    assert torch.equal(prepare(Corpus.of(TEXT), tokens).train, first.train)
    assert list((tmp_path / "cache" / "datasets").glob(".new-*")) == []


def test_python_carries_a_text() -> None:
    text = python_documentation()
    assert len(text) > 1_000_000
    assert text.isascii()
    assert python_documentation() == text


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("second")
    (folder / "a.md").write_text("first")
    (folder / "deep" / "c.txt").write_text("third")
    (folder / "picture.png").write_bytes(b"\xff\xfe")
    found = ["".join(one) for one in read_corpus(str(folder)).documents()]
    assert found == ["first", "second", "third"]


def test_what_is_fetched_is_checked(tmp_path: Path) -> None:
    body = b"To be"
    right = fetched.Fetched("be.txt", "file:///nowhere", hashlib.sha256(body).hexdigest())
    source = tmp_path / "source"
    source.write_bytes(b"Not to be")
    with pytest.raises(LabError, match="SHA-256"):
        right.fetch(source)
    with pytest.raises(LabError, match="cannot be reached"):
        right.fetch()
    assert not right.path().exists()
    source.write_bytes(body)
    assert right.fetch(source).read_bytes() == body
    assert right.fetch() == right.path()
    over_the_net = replace(right, name="other.txt", address=source.as_uri())
    assert over_the_net.fetch().read_bytes() == body


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"short", "too short"), (b"\xff\xfe", "no UTF-8")],
)
def test_texts_that_are_none(inside: Inside, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    code, said = inside(*train_options(tmp_path, "run"))
    assert code == 2
    assert words in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "/no/such/file"], "no file or folder"),
        (["--device", "cuda:7"], "no device 'cuda:7'"),
        (["--set", "embed_dim=17"], "divisible by num_heads"),
        (["--set", "embeddim=16"], "sets nothing"),
        (["--set", "batch_size=many"], "of type int"),
        (["--set", "precision=half"], "one of auto"),
        (["--tokens", "gpt2", "--merges", "exercises"], "neither vocab.bpe nor merges.txt"),
        (["--submission", "nowhere"], "no file or folder nowhere"),
        (["--resume"], "no config.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be(inside: Inside, tmp_path: Path, options: list[str], words: str) -> None:
    code, said = inside(*train_options(tmp_path, "run"), *options)
    assert code == 2
    assert words in said
    assert not (tmp_path / "run").exists()


def test_attention_that_the_fused_call_does_not_fit(inside: Inside, tmp_path: Path) -> None:
    own = shutil.copytree(SOLUTIONS, tmp_path / "own")
    text = (own / "gpt2.py").read_text(encoding="utf-8")
    (own / "gpt2.py").write_text(text.replace("qkv_proj", "c_attn"), encoding="utf-8")
    options = [*train_options(tmp_path, "run", iterations=2), "--submission", str(own)]
    code, said = inside(*options, "--sdpa")
    assert code == 2
    assert "attention=sdpa needs attention modules with the names" in " ".join(said.split())
    assert not (tmp_path / "run").exists()
    assert inside(*options, "--set", "attention=auto")[0] == 0


def test_no_compiler_where_one_is_asked_for(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.compiled._has_compiler", lambda: False)
    code, said = inside(*train_options(tmp_path, "run", compile="on"))
    assert code == 2
    assert "needs a C++ compiler" in said
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_written_over(inside: Inside, tmp_path: Path) -> None:
    options = train_options(tmp_path, "run", iterations=2, sample_every=0)
    assert inside(*options)[0] == 0
    code, said = inside(*options)
    assert code == 2
    assert "holds a run already" in said
    code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=embed_dim=8")
    assert code == 2
    assert "embed_dim cannot be set anew" in said
    (tmp_path / "text.txt").write_text(TEXT[:-5])
    code, said = inside("train", "--resume", "--out", tmp_path / "run")
    assert code == 2
    assert "not the text" in said


def test_a_stub_is_named(inside: Inside, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("gpt2.py", "training.py"):
        shutil.copy(SOLUTIONS / name, mine)
    training = (mine / "training.py").read_text()
    stub = 'def train_step(*args, **kwargs):\n    raise NotImplementedError("yours")\n'
    (mine / "training.py").write_text(f"{training}\n\n{stub}")
    code, said = inside(*train_options(tmp_path, "run"), "--submission", mine)
    assert code == 2
    assert f"train_step in {mine / 'training.py'} is not written yet" in said


def test_presets() -> None:
    names = {"cpu", "cpu-seed", "cpu-fast", "cpu-quick", "gpt2-small", "demo", "classifier"}
    assert set(PRESETS) == names
    assert PRESETS["cpu"].iterations == 2_000  # as in nanoGPT's README
    seed = PRESETS["cpu-seed"]
    assert (seed.learning_rate, seed.iterations, seed.batch_size) == (3e-4, 4_000, 12)
    for recipe in PRESETS.values():
        assert changed(recipe, ["learning_rate=1e-3", "fused=False"]).learning_rate == 1e-3
    same = ("embed_dim", "num_heads", "num_layers", "block_size", "tokens")
    for name in same:
        assert getattr(PRESETS["cpu"], name) == getattr(PRESETS["cpu-fast"], name)
    assert settings()
