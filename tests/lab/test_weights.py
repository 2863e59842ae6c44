"""Weights of others: the same logits as `transformers` gives, or a refusal that names the field."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lab.submission import Submission
from lab.writing import writer
from tests.lab.conftest import SOLUTIONS

transformers = pytest.importorskip("transformers", reason="the extra `parity` is not installed")
Inside = Callable[..., tuple[int, str]]
CPU = torch.device("cpu")
SMALL = {"vocab_size": 300, "n_positions": 48, "n_embd": 32, "n_layer": 2, "n_head": 4}
# What makes them themselves, in configs of published checkpoints; their sizes are in REAL.
FORMS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "distilgpt2": {"n_layer": 1, "resid_pdrop": 0.1},
    "gpt2-medium": {"n_layer": 3, "n_head": 8, "n_embd": 64},
    "dialogpt": {"n_ctx": 48, "vocab_size": 257},
    "cerebras": {"activation_function": "gelu", "n_inner": 128, "scale_attn_weights": True},
    "mistral": {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
    "no scale": {"scale_attn_weights": False},
    "gelu_pytorch_tanh": {"activation_function": "gelu_pytorch_tanh"},
    "gelu_fast": {"activation_function": "gelu_fast"},
    "eps 1e-3": {"layer_norm_epsilon": 1e-3},
    "eps 1e-12": {"layer_norm_epsilon": 1e-12},
    "untied": {"tie_word_embeddings": False},
    "untied, exact, eps": {
        "tie_word_embeddings": False,
        "activation_function": "gelu",
        "layer_norm_epsilon": 1e-2,
    },
}
REAL: dict[str, dict[str, Any]] = {
    "distilgpt2": {"n_layer": 6},
    "gpt2": {},
    "gpt2-medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "cerebras-111m": {
        **{"n_layer": 10, "n_inner": 3072, "n_positions": 2048},
        "activation_function": "gelu",
    },
}


def published(folder: Path, dtype: torch.dtype = torch.float32, **config: Any) -> Any:
    """A model of `transformers` with weights in which every form shows, saved to a folder."""
    torch.manual_seed(0)
    how = {"attn_implementation": "eager", "bos_token_id": 0, "eos_token_id": 0}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config, **how)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0, 0.3 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5)
            if ".ln_" in name and name.endswith("weight"):
                parameter.add_(1)
    model = model.to(dtype)
    model.save_pretrained(folder)
    return model.float()


def run_logits(run: Path, submission: Path, idx: torch.Tensor, cached: bool = False) -> Any:
    model = writer(run, Submission(submission), CPU, torch.float32, cached)
    assert model.cached == cached, model.why_slow
    with torch.no_grad():
        return model.model(idx)[0] if cached else model.model(idx)


def off(model: Any, run: Path, submission: Path = SOLUTIONS) -> float:
    """How far the submission's logits are from those of `transformers`, with and without cache."""
    config = model.config
    idx = torch.randint(config.vocab_size, (2, min(48, config.n_positions)))
    with torch.no_grad():
        expected = model(idx).logits
    found = [run_logits(run, submission, idx, cached) for cached in (False, True)]
    return max(float((one - expected).abs().max()) for one in found)


@pytest.mark.parametrize("name", FORMS)
def test_the_logits_are_those_of_transformers(inside: Inside, tmp_path: Path, name: str) -> None:
    model = published(tmp_path / "hf", **{**SMALL, **FORMS[name]})
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 0, said
    assert off(model, tmp_path / "run") < 1e-4


@pytest.mark.whole_bank
@pytest.mark.parametrize("name", REAL)
def test_real_sizes(inside: Inside, tmp_path: Path, name: str) -> None:
    model = published(tmp_path / "hf", **REAL[name])
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 0, said
    assert off(model, tmp_path / "run") < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(inside: Inside, tmp_path: Path, dtype: torch.dtype) -> None:
    model = published(tmp_path / "hf", dtype=dtype, **SMALL)
    assert inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")[0] == 0
    assert off(model, tmp_path / "run") < 1e-4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation_function": "relu"}, "activation_function is 'relu'"),
        ({"activation_function": "silu"}, "activation_function is 'silu'"),
        ({"n_inner": 100}, "n_inner is 100"),
        ({"model_type": "gpt_neo"}, "model_type 'gpt2', found 'gpt_neo'"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"n_head": 5}, "n_embd 32 is no multiple of n_head 5"),
        ({"n_layer": 3}, "no model/h2/"),
        ({"n_layer": 1}, "has model/h1/"),
        ({"vocab_size": 301}, "model/wte of shape (301, 32)"),
        ({"n_positions": "many"}, "n_positions to be a positive integer"),
        ({"tie_word_embeddings": False}, "there is no lm_head.weight"),
    ],
    ids=str,
)
def test_what_is_refused_is_named(
    inside: Inside, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    inner = {"n_inner": change["n_inner"]} if "n_inner" in change else {}
    published(tmp_path / "hf", **SMALL, **inner)
    config = tmp_path / "hf" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 2
    assert words in said
    assert not (tmp_path / "run").exists()


OWN_NORM = """

class OwnNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-5)


class MLP"""


def functional(folder: Path, field: str) -> Path:
    """A submission that computes something without a module whose form could be set."""
    shutil.copytree(SOLUTIONS, folder)
    text = (folder / "gpt2.py").read_text(encoding="utf-8")
    if field == "activation_function":
        text = text.replace('self.activation = nn.GELU(approximate="tanh")', "pass")
        text = text.replace("self.activation(", 'F.gelu(approximate="tanh", input=')
    elif field == "layer_norm_epsilon":
        text = text.replace("nn.LayerNorm(", "OwnNorm(").replace("\n\nclass MLP", OWN_NORM, 1)
    else:
        head = "self.head = nn.Linear(embed_dim, vocab_size, bias=False)"
        text = text.replace(head, "").replace("self.head.weight = self.token_embedding.weight", "")
        text = text.replace(
            "self.head(self.final_norm(x))", "self.final_norm(x) @ self.token_embedding.weight.T"
        )
    (folder / "gpt2.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("field", "value"),
    [("activation_function", "gelu"), ("layer_norm_epsilon", 1e-2), ("tie_word_embeddings", False)],
)
def test_what_the_model_cannot_express(
    inside: Inside, tmp_path: Path, field: str, value: object
) -> None:
    own = functional(tmp_path / "own", field)
    published(tmp_path / "hf", **{**SMALL, field: value})
    options = ["--submission", own]
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run", *options)
    assert code == 2
    assert field in said, said
    assert not (tmp_path / "run").exists()
    shutil.rmtree(tmp_path / "hf")
    model = published(tmp_path / "hf", **SMALL)
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run", *options)
    assert code == 0, said
    idx = torch.randint(SMALL["vocab_size"], (1, 48))
    expected = model(idx).logits.detach()
    assert (run_logits(tmp_path / "run", own, idx) - expected).abs().max() < 1e-4


def test_a_wrong_model_is_told(inside: Inside, tmp_path: Path) -> None:
    own = shutil.copytree(SOLUTIONS, tmp_path / "own")
    text = (own / "gpt2.py").read_text(encoding="utf-8")
    (own / "gpt2.py").write_text(text.replace("scores.masked_fill(", "(lambda *_: scores)("))
    published(tmp_path / "hf", **SMALL)
    code, said = inside(
        "load-gpt2", tmp_path / "hf", "--out", tmp_path / "run", "--submission", own
    )
    assert code == 2
    assert "logits are off by up to" in said


def wrapped(folder: Path, how: str) -> None:
    """The weights of the folder in other files, or under other names."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    names = sorted(tensors)
    if how in ("_orig_mod.", "module.", "module._orig_mod.", "model."):
        save_file({how + name: one for name, one in tensors.items()}, file)
        return
    file.unlink()
    if how == "bin":
        torch.save(
            tensors | {"lm_head.weight": tensors["transformer.wte.weight"]},
            folder / "pytorch_model.bin",
        )
    elif how == "old bin":
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    else:
        halves = {"00001": names[::2], "00002": names[1::2]}
        ending = "bin" if "bin" in how else "safetensors"
        where = {}
        for number, half in halves.items():
            name = f"{'pytorch_model' if ending == 'bin' else 'model'}-{number}-of-00002.{ending}"
            part = {one: tensors[one] for one in half}
            (torch.save if ending == "bin" else save_file)(part, folder / name)
            where |= dict.fromkeys(half, name)
        if "index" in how:
            index = f"{'pytorch_model.bin' if ending == 'bin' else 'model.safetensors'}.index.json"
            (folder / index).write_text(json.dumps({"weight_map": where}))


@pytest.mark.parametrize(
    "how",
    [
        *("_orig_mod.", "module.", "module._orig_mod.", "model.", "bin", "old bin"),
        *("shards", "shards index", "bin shards", "bin shards index"),
    ],
)
def test_other_files_and_names(inside: Inside, tmp_path: Path, how: str) -> None:
    model = published(tmp_path / "hf", **SMALL)
    wrapped(tmp_path / "hf", how)
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 0, said
    assert off(model, tmp_path / "run") < 1e-4
    shards = sorted((tmp_path / "hf").glob("*00002.*"))
    if shards:
        shards[-1].unlink()
        code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "other")
        assert code == 2
        assert f"{shards[-1].name} is missing" in said


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harmed"),))


def test_files_that_would_run_code(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(tmp_path / "hf", **SMALL)
    (tmp_path / "hf" / "model.safetensors").unlink()
    torch.save({"wte.weight": Harm()}, tmp_path / "hf" / "pytorch_model.bin")
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 2
    assert "runs no code of files" in said
    (tmp_path / "hf" / "meta.pkl").write_bytes(pickle.dumps(Harm()))
    published(tmp_path / "hf", **SMALL)
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")
    assert code == 2
    assert "no meta.pkl" in said
    assert not Path("harmed").exists()


@pytest.mark.parametrize("bias", [True, False])
def test_nanogpt(inside: Inside, tmp_path: Path, bias: bool) -> None:
    """Its ckpt.pt: names and layout of nanoGPT's model.py, exact GELU, a padded vocabulary."""
    config = {**SMALL, "vocab_size": 64, "activation_function": "gelu"}
    model = published(tmp_path / "hf", **config)
    if not bias:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("bias") and not bias:
            continue
        linear = "c_" in name and name.endswith("weight")
        tensors[f"_orig_mod.{name}"] = tensor.T.contiguous() if linear else tensor
    args = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 48, "bias": bias}
    place = tmp_path / "out"
    place.mkdir()
    everything = {"model": tensors, "model_args": {**args, "vocab_size": 64, "dropout": 0.0}}
    state = {"optimizer": {}, "iter_num": 5, "best_val_loss": torch.tensor(1.0), "config": {"a": 1}}
    torch.save({**everything, **state}, place / "ckpt.pt")
    characters = "\n abcdefghijklmnop"
    itos = dict(enumerate(characters))
    meta = {"vocab_size": len(itos), "itos": itos, "stoi": {c: i for i, c in itos.items()}}
    (place / "meta.pkl").write_bytes(pickle.dumps(meta))
    for source in (place, place / "ckpt.pt"):
        run = tmp_path / f"run-{source.name}"
        code, said = inside("load-gpt2", source, "--out", run)
        assert code == 0, said
        assert off(model, run) < 1e-4
        code, said = inside("sample", run, "--prompt", "abc", "--max-new-tokens", 40)
        assert code == 0, said
        written = said.split("\n", 1)[1].rsplit("\n", 2)[0]
        assert len(written) == 43  # none of the 46 that pad the vocabulary
        assert set(written) <= set(characters)
