"""Corpora: documents and what ends them, tokens in files, and no more in memory than a piece."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lab.data import dataset
from lab.data.corpus import Corpus, Document, read_corpus
from lab.data.dataset import prepare, whole_words
from lab.data.narrow import Narrow
from lab.data.tokens import Bytes, Characters, GPT2Tokens, find_merges
from lab.errors import LabError
from lab.submission import Submission
from tests.lab.conftest import SOLUTIONS, TEXT, numbers, train_options

Inside = Callable[..., tuple[int, str]]
END = 50256


@pytest.fixture(name="_cache", autouse=True)
def _in_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module", name="gpt2")
def _gpt2() -> GPT2Tokens:
    return GPT2Tokens(find_merges(None), Submission(SOLUTIONS))


def everything(corpus: Corpus, tokens: Characters | Bytes | GPT2Tokens) -> list[int]:
    data = prepare(corpus, tokens)
    return torch.cat([data.train.long(), data.validation.long()]).tolist()


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_tokens_of_pieces_are_those_of_the_whole(gpt2: GPT2Tokens, size: int) -> None:
    draw = random.Random(size)
    signs = ["a", "Bc", "x1", " ", "  ", "\n", "\n\n", "\t", "'s", "é", "漢字", "。", "\u00a0", "!"]
    before, after = ("".join(draw.choices(signs, k=k)) for k in (400, 99))
    text = f"{before}<|endoftext|>{after}"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    cut = list(whole_words(pieces))
    assert "".join(cut) == text
    assert len(cut) > 10
    found = np.concatenate([gpt2.encode(piece) for piece in cut])
    assert found.tolist() == gpt2.encode(text).tolist()


def test_a_word_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_LONGEST_WORD", 10)
    assert list(whole_words(["x" * 8] * 4)) == ["x" * 16, "x" * 16]


def test_the_end_of_text_is_a_token(gpt2: GPT2Tokens) -> None:
    ids = gpt2.encode("One.<|endoftext|>Two.").tolist()
    assert ids.count(END) == 1
    literally = GPT2Tokens(find_merges(None), Submission(SOLUTIONS), literal=True)
    assert END not in literally.encode("One.<|endoftext|>Two.")
    assert literally.decode(literally.encode("<|endoftext|>").tolist()) == "<|endoftext|>"
    assert literally.saved() != gpt2.saved()


def documents(folder: Path) -> Path:
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("First.", encoding="utf-8-sig")
    (folder / "texts" / "b.jsonl").write_text('{"text": "Second."}\n\n{"text": "Third.\\n"}\n')
    (folder / "texts" / "c.md").write_text("")
    return folder / "texts"


def test_documents_are_parted(tmp_path: Path, gpt2: GPT2Tokens) -> None:
    corpus = read_corpus(str(documents(tmp_path)))
    text = "First.<|endoftext|>Second.<|endoftext|>Third.\n<|endoftext|>"
    assert everything(corpus, gpt2) == gpt2.encode(text).tolist()
    joined = "First.\n\nSecond.\n\nThird.\n"
    letters = Characters.of(corpus.pieces())
    assert letters.decode(everything(corpus, letters)) == joined
    assert bytes(everything(corpus, Bytes())) == joined.encode()
    one = Corpus.of("First.\n\nSecond.\n\nThird.\n")
    assert prepare(one, letters).key != prepare(corpus, letters).key


def test_json_lines_with_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"body": "One"}\n{"body": "Two"}\n')
    assert [*read_corpus(str(file), "body").pieces()] == ["One", "\n\n", "Two"]
    with pytest.raises(LabError, match=r"line 1: no text under 'text'; it has: body.*--text"):
        list(read_corpus(str(file)).pieces())
    file.write_text('{"text": "One"}\n["Two"]\n')
    with pytest.raises(LabError, match="line 2: no text under"):
        list(read_corpus(str(file)).pieces())
    file.write_text('{"text": "One"\n')
    with pytest.raises(LabError, match="line 1: no JSON"):
        list(read_corpus(str(file)).pieces())


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize(
    "pick",
    [
        lambda d, i: d[i[:, None] + torch.arange(5)],
        lambda d, i: torch.stack([d[a : a + 5] for a in i]),
        lambda d, i: torch.stack([d[a : a + 5] for a in i.tolist()]),
        lambda d, i: torch.cat([d[a : a + 5][None] for a in i]),
        lambda d, i: d.unfold(0, 5, 1)[i],
        lambda d, i: torch.take(d, i[:, None] + torch.arange(5)),
        lambda d, i: d.index_select(0, (i[:, None] + torch.arange(5)).flatten()).view(-1, 5),
        lambda d, i: torch.as_strided(d, (len(d) - 4, 5), (1, 1))[i].long(),
        lambda d, i: torch.nn.utils.rnn.pad_sequence([d.narrow(0, a, 5) for a in i.tolist()], True),
        lambda d, i: torch.from_numpy(np.stack([d[a : a + 5].numpy() for a in i])),
        lambda d, i: torch.tensor([d[a : a + 5].tolist() for a in i]),
    ],
    ids=range(11),
)
def test_narrow_tokens_are_as_int64(
    dtype: type[np.uint16], pick: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    """Whatever a get_batch does to its data."""
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, 1000, endpoint=True)
    narrow, plain = Narrow.of(values.astype(dtype)), torch.from_numpy(values.astype(np.int64))
    assert isinstance(narrow, torch.Tensor)
    assert narrow.dtype == torch.int64
    assert (len(narrow), narrow.shape, narrow.numel()) == (1000, plain.shape, 1000)
    places = torch.randint(995, (12,))
    found = pick(narrow, places)
    assert found.dtype == torch.int64
    assert type(found) is torch.Tensor
    assert torch.equal(found, pick(plain, places))
    assert int(narrow.max()) == int(plain.max())
    assert narrow[7].item() == plain[7].item()
    assert torch.equal(narrow[3:9] + 1, plain[3:9] + 1)
    embedded = torch.nn.functional.embedding(narrow[:4] % 8, torch.eye(8))
    assert embedded.shape == (4, 8)


def test_training_on_a_file_is_training_in_memory(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inside(*train_options(tmp_path, "memory", sample_every=0))[0] == 0
    monkeypatch.setattr(dataset, "_IN_MEMORY", 0)
    assert type(prepare(Corpus.of(TEXT), Characters.of(TEXT)).train) is Narrow
    code, said = inside(*train_options(tmp_path, "file", sample_every=0))
    assert code == 0, said
    assert numbers(tmp_path / "file") == numbers(tmp_path / "memory")


@pytest.mark.parametrize("kind", ["bytes", "chars"])
def test_a_corpus_larger_than_memory(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Thirty megabytes, made as they are read, in less than that: so would be thirty thousand."""
    piece = ("All work and no play makes Jack a dull boy.\n" * 12_000)[: 2**19]
    read = 0

    def documents() -> Iterator[Document]:
        def pieces() -> Iterator[str]:
            nonlocal read
            for n in range(60):
                read += 1
                yield piece[n:] + piece[:n]

        yield pieces()

    corpus = Corpus(documents, 30 * 2**20)
    monkeypatch.setattr(dataset, "_IN_MEMORY", 2**20)
    tracemalloc.start()
    tokens = Characters.of(corpus.pieces()) if kind == "chars" else Bytes()
    before, data = read, prepare(corpus, tokens)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == before + 120  # once for its key, once for its tokens
    assert peak < 30 * 2**20
    assert len(data.train) + len(data.validation) == 30 * 2**20
    assert tokens.decode(data.train[10**7 : 10**7 + 40].tolist()) in 2 * piece
    prepare(corpus, tokens)
    assert read == before + 180


def test_bytes_and_special_tokens_in_commands(inside: Inside, tmp_path: Path) -> None:
    code, said = inside(*train_options(tmp_path, "run", sample_every=0), "--tokens", "bytes")
    assert code == 0, said
    assert json.loads((tmp_path / "run" / "config.json").read_text())["vocab_size"] == 256
    code, said = inside("sample", tmp_path / "run", "--prompt", "Ж", "--max-new-tokens", 5)
    assert code == 0, said
    assert "Ж" in said
    text = tmp_path / "rows.jsonl"
    lines = [json.dumps({"body": f"{n} green bottles<|endoftext|>hanging"}) for n in range(300)]
    text.write_text("\n".join(lines))
    options = train_options(tmp_path, "gpt2", iterations=2, sample_every=0)[3:]
    options = ["train", "--data", text, "--text", "body", "--tokens", "gpt2", *options]
    for name, flags in (("special", []), ("literal", ["--literal"])):
        code, said = inside(*options, "--out", tmp_path / name, *flags)
        assert code == 0, said
    facts = [
        json.loads((tmp_path / name / "config.json").read_text())["data"]
        for name in ("special", "literal")
    ]
    assert facts[0]["train_tokens"] < facts[1]["train_tokens"]
    eos = ["--eos", "<|endoftext|>", "--prompt", "<|endoftext|>", "--max-new-tokens", 3]
    assert inside("sample", tmp_path / "special", *eos)[0] == 0
    code, said = inside("sample", tmp_path / "special", *eos, "--literal")
    assert code == 2
    assert "--eos is one token" in said
    code, said = inside("train", "--resume", "--out", tmp_path / "literal", "--set=iterations=3")
    assert code == 0, said
