"""A checkpoint that TensorFlow wrote, in the reference, in the oracle and in another's GPT-2."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from grader.exercises.pretrained import oracle as checkpoint
from grader.exercises.pretrained.forms import forms
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.oracle import GELUS, gelu_tanh
from lab.bundle import read_checkpoint
from tests.bank import ROOT

FIXTURE = ROOT / "tests" / "data" / "openai_tiny"
HPARAMS = json.loads((FIXTURE / "hparams.json").read_text(encoding="utf-8"))
SIZE = {
    "vocab_size": HPARAMS["n_vocab"],
    "embed_dim": HPARAMS["n_embd"],
    "num_heads": HPARAMS["n_head"],
    "num_layers": HPARAMS["n_layer"],
    "block_size": HPARAMS["n_ctx"],
}


@pytest.fixture(scope="module", name="model")
def _model() -> Iterator[nn.Module]:
    """The reference with the fixture's weights, in float64."""
    sys.path.insert(0, str(ROOT / "solutions"))
    from gpt2 import GPT2
    from pretrained import load_openai_weights

    torch.manual_seed(0)
    model = GPT2(**SIZE).double().eval()
    tensors = {name: torch.from_numpy(values) for name, values in read_checkpoint(FIXTURE).items()}
    load_openai_weights(model, tensors)
    yield model
    sys.path.remove(str(ROOT / "solutions"))
    for name in ("gpt2", "pretrained"):
        del sys.modules[name]


@pytest.fixture(scope="module", name="idx")
def _idx() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, SIZE["vocab_size"], (3, SIZE["block_size"]), generator=generator)


def test_reference_agrees_with_the_oracle(model: nn.Module, idx: torch.Tensor) -> None:
    variables = dict(read_checkpoint(FIXTURE))
    assert {name: v.shape for name, v in variables.items()} == checkpoint.shapes(SIZE)
    expected = checkpoint.logits(variables, SIZE["num_heads"], idx.numpy(), gelu_tanh)
    assert difference(model(idx).detach().numpy(), expected) < 1e-12


def test_reference_agrees_with_transformers(model: nn.Module, idx: torch.Tensor) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `parity` is not installed")
    config = transformers.GPT2Config(
        vocab_size=SIZE["vocab_size"],
        n_positions=SIZE["block_size"],
        n_embd=SIZE["embed_dim"],
        n_layer=SIZE["num_layers"],
        n_head=SIZE["num_heads"],
        attn_implementation="eager",
    )
    other = transformers.GPT2LMHeadModel(config).double().eval()
    parameters = dict(other.named_parameters())
    variables = read_checkpoint(FIXTURE)
    assert len(parameters) == len(variables)
    with torch.no_grad():
        for name, values in variables.items():
            parameters[_hugging_face_name(name)].copy_(torch.from_numpy(values.squeeze()))
    with torch.no_grad():
        assert (other(idx).logits - model(idx)).abs().max() < 1e-10


def _hugging_face_name(name: str) -> str:
    """model/h3/ln_1/g -> transformer.h.3.ln_1.weight"""
    kinds = {"w": ".weight", "g": ".weight", "b": ".bias"}
    stem, _, kind = name.removeprefix("model/").rpartition("/")
    if not stem:
        return f"transformer.{kind}.weight"
    stem = stem.replace("/", ".")
    stem = f"h.{stem[1:]}" if stem[0] == "h" else stem
    return f"transformer.{stem}{kinds[kind]}"


def test_no_wrong_reading_is_right(idx: torch.Tensor) -> None:
    # Of more than ten blocks, so that those which get the blocks wrong show, too.
    variables = {name: 4 * v for name, v in read_checkpoint(FIXTURE).items()}
    right = checkpoint.logits(variables, 2, idx.numpy(), gelu_tanh)
    for form in forms():
        wrong = form.change(variables, SIZE, 0.5)
        for gelu in GELUS.values():
            found = checkpoint.logits(wrong, 2, idx.numpy(), gelu)
            assert difference(found, right) > CLOSE, form.words
    assert len({form.words for form in forms()}) == len(list(forms()))


def test_the_fixture_is_small() -> None:
    assert sum(path.stat().st_size for path in FIXTURE.iterdir()) < 200_000
