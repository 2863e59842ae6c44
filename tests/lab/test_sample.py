"""Writing: with a cache and without, many at once, and what GPT-2's weights become."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lab.data.tokens import Characters, GPT2Tokens
from lab.submission import Submission
from lab.writing import How, Stream, writer
from tests.bank import ROOT
from tests.lab.conftest import SOLUTIONS, train_options

Inside = Callable[..., tuple[int, str]]


@pytest.fixture(name="run")
def _run(inside: Inside, tmp_path: Path) -> Path:
    options = train_options(tmp_path, "run", iterations=40, learning_rate=1e-2, sample_every=0)
    assert inside(*options)[0] == 0
    return tmp_path / "run"


def test_the_cache_changes_nothing(inside: Inside, run: Path) -> None:
    how = ["--prompt", "7 green", "--max-new-tokens", 40, "--precision", "float32", "--seed", 3]
    with_cache, without = inside("sample", run, *how), inside("sample", run, *how, "--no-cache")
    assert with_cache[0] == without[0] == 0
    texts = [said.splitlines()[1:-1] for _, said in (with_cache, without)]
    assert texts[0] == texts[1]
    assert "".join(texts[0]).startswith("7 green")
    assert "without a cache" in without[1]
    other = inside("sample", run, *how[:-1], 4)
    assert other[1].splitlines()[1:-1] != texts[0]


def test_a_cache_is_used(run: Path) -> None:
    model = writer(run, Submission(SOLUTIONS), torch.device("cpu"), torch.float32)
    assert model.cached
    widths = []
    model.model.register_forward_pre_hook(lambda module, inputs: widths.append(inputs[0].shape[1]))
    told: list[int] = []
    out = model.write(model.prompt("7 gr"), How(20), lambda column: told.append(int(column[0])))
    # A block is 16 tokens: beyond, the window moves and all of it is read again.
    assert widths == [4] + [1] * 12 + [16] * 7
    assert told == out[0, 4:].tolist()


def test_many_prompts(inside: Inside, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("1 green\n22 green\n3 green\n")
    code, said = inside(
        "sample", run, "--prompts", file, "--prompt", "4", "--max-new-tokens", 5, "--top-k", 3
    )
    assert code == 0, said
    begins = [part.strip("\n") for part in said.partition("\n")[2].split("---")[:-1]]
    assert [b.split(" ")[0][:2].strip() for b in begins] == ["4", "1", "22", "3"] or all(
        b.startswith(p)
        for b, p in zip(begins, ["4", "1 green", "22 green", "3 green"], strict=True)
    )


def test_it_ends_at_a_token(inside: Inside, run: Path) -> None:
    code, said = inside("sample", run, "--prompt", "1 green", "--eos", ".", "--temperature", 0)
    assert code == 0
    assert "." not in "".join(said.splitlines()[1:-1])


def test_a_checkpoint_and_what_is_none(inside: Inside, run: Path, tmp_path: Path) -> None:
    place = run / "checkpoints" / "00000039"
    assert inside("sample", place, "--max-new-tokens", 3)[0] == 0
    assert inside("sample", run / "best.safetensors", "--max-new-tokens", 3)[0] == 0
    code, said = inside("sample", tmp_path)
    assert code == 2
    assert "no folder of a run" in said
    code, said = inside("sample", run, "--prompt", "Ж")
    assert code == 2
    assert "'Ж'" in said
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "format": 99}))
    code, said = inside("sample", run)
    assert code == 2
    assert "format 99" in said


def test_a_stream_waits_for_whole_characters() -> None:
    tokens = GPT2Tokens("#version: 0.2\n", Submission(SOLUTIONS))
    stream = Stream(tokens)
    shown = [stream.add(int(token)) for token in tokens.encode("aß…b")]
    assert shown == ["a", "", "ß", "", "", "…", "b"]


def test_characters_there_and_back() -> None:
    tokens = Characters.of(["some text", "ß"])
    assert tokens.decode(tokens.encode("o ße").tolist()) == "o ße"
    assert tokens.encode("xyz", skip_unknown=True).tolist() == [tokens.characters.index("x")]


MERGES = "#version: 0.2\nh e\nhe l\nĠ w\n"
LAYERS, WIDTH = 2, 8


def hugging_face(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    """A small GPT-2 with random weights, as Hugging Face's files have it."""
    draw = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    tensors = {"wte.weight": some(260, WIDTH), "wpe.weight": some(16, WIDTH)}
    tensors |= {"ln_f.weight": some(WIDTH), "ln_f.bias": some(WIDTH)}
    shapes = {
        "attn.c_attn": (1, 3),
        "attn.c_proj": (1, 1),
        "mlp.c_fc": (1, 4),
        "mlp.c_proj": (4, 1),
    }
    for layer in range(LAYERS):
        for name, (n_in, n_out) in shapes.items():
            tensors[f"h.{layer}.{name}.weight"] = some(n_in * WIDTH, n_out * WIDTH)
            tensors[f"h.{layer}.{name}.bias"] = some(n_out * WIDTH)
        for name in ("ln_1", "ln_2"):
            tensors[f"h.{layer}.{name}.weight"] = some(WIDTH)
            tensors[f"h.{layer}.{name}.bias"] = some(WIDTH)
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 16, 16)
    folder.mkdir()
    save_file({prefix + k: v for k, v in tensors.items()}, folder / "model.safetensors")
    sizes = {"vocab_size": 260, "n_positions": 16, "n_embd": WIDTH, "n_head": 2, "n_layer": LAYERS}
    (folder / "config.json").write_text(json.dumps(sizes))
    (folder / "merges.txt").write_text(MERGES, encoding="utf-8")
    return tensors


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_hugging_face(inside: Inside, tmp_path: Path, prefix: str) -> None:
    tensors = hugging_face(tmp_path / "hf", prefix)
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 0, said
    model = writer(tmp_path / "run", Submission(SOLUTIONS), torch.device("cpu"), torch.float32)
    assert model.tokens.encode("hel world").tolist()[:2] == [257, 258]
    block = model.model.blocks[1]  # type: ignore[index]  # of the reference
    expected = tensors["h.1.mlp.c_fc.weight"].T.numpy()
    np.testing.assert_array_equal(block.mlp.up_proj.weight.detach().numpy(), expected)
    assert inside("sample", tmp_path / "run", "--prompt", "hello", "--max-new-tokens", 4)[0] == 0


def test_weights_that_do_not_fit(inside: Inside, tmp_path: Path) -> None:
    tensors = hugging_face(tmp_path / "hf", "")
    del tensors["h.0.ln_1.bias"]
    save_file(tensors, tmp_path / "hf" / "model.safetensors")
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 2
    assert "model/h0/ln_1/b" in said
    assert not (tmp_path / "run").exists()
    (tmp_path / "nothing").mkdir()
    code, said = inside(
        "load-gpt2", tmp_path / "nothing", "--out", tmp_path / "r", "--merges", tmp_path / "hf"
    )
    assert code == 2
    assert "holds no GPT-2" in said


OPENAI = ROOT / "tests" / "data" / "openai_tiny"


@pytest.mark.skipif(not OPENAI.is_dir(), reason="the reader of such files is not here")
def test_openai(inside: Inside, tmp_path: Path) -> None:
    code, said = inside("load-gpt2", OPENAI, "--out", tmp_path / "run")
    assert code == 0, said
    assert "as numbers" in said
    code, said = inside("sample", tmp_path / "run", "--prompt", "3 0 2", "--max-new-tokens", 4)
    assert code == 0, said
    assert len(said.splitlines()[1].split()) == 7
    model = writer(tmp_path / "run", Submission(SOLUTIONS), torch.device("cpu"), torch.float32)
    expected = np.load(OPENAI / "expected.npz")["model/wpe"]
    found = model.model.position_embedding.weight.detach().numpy()  # of the reference
    np.testing.assert_array_equal(found, expected)
    damaged = tmp_path / "damaged"
    shutil.copytree(OPENAI, damaged)
    shard = damaged / "model.ckpt.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-1])
    code, said = inside("load-gpt2", damaged, "--out", tmp_path / "other")
    assert code == 2
    assert shard.name in said
