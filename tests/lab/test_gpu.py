"""The references on a GPU do what they do on a CPU. Each test runs on a CPU, and on a GPU if there
is one: `pytest -m gpu` runs these alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lab.bundle import read_checkpoint
from lab.submission import Submission
from tests.bank import ROOT
from tests.lab.conftest import TEXT, numbers, settings

SIZE = {"vocab_size": 11, "embed_dim": 12, "num_heads": 3, "num_layers": 2, "block_size": 8}
OPENAI = ROOT / "tests" / "data" / "openai_tiny"
CODE = Submission(ROOT / "solutions")

cuda = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    ],
)


@pytest.fixture(name="device", params=["cpu", cuda])
def _device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(name="twins")
def _twins(device: torch.device) -> Callable[[str, str], Iterator[nn.Module]]:
    """The same model in float64, on the CPU and on the device."""

    def twins(file: str, name: str) -> Iterator[nn.Module]:
        for where in (torch.device("cpu"), device):
            torch.manual_seed(0)
            yield CODE.get(file, name)(**SIZE).double().to(where)

    return twins


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.detach().cpu(), expected.detach().cpu(), rtol=1e-9, atol=1e-9)


def tokens(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(SIZE["vocab_size"], shape, generator=torch.Generator().manual_seed(seed))


def test_forward_and_gradients(twins: Any, device: torch.device) -> None:
    first, second = twins("gpt2", "GPT2")
    logits = [model(tokens(2, 8).to(next(model.parameters()).device)) for model in (first, second)]
    assert logits[1].device.type == device.type
    near(logits[1], logits[0])
    for each in logits:
        each.square().sum().backward()
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        near(other.grad, one.grad)


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_generation(twins: Any, device: torch.device, temperature: float) -> None:
    generate = CODE.get("generation", "generate")
    how = {"block_size": 8, "temperature": temperature, "top_k": 1, "top_p": 0.9}
    texts = [
        generate(model, tokens(2, 3).to(next(model.parameters()).device), 9, eos_token_id=4, **how)
        for model in twins("gpt2", "GPT2")
    ]
    assert texts[1].device.type == device.type
    assert texts[1].tolist() == texts[0].tolist()


def test_a_cache(twins: Any, device: torch.device) -> None:
    first, second = twins("kv_cache", "CachedGPT2")
    whole, _ = first.eval()(tokens(2, 8))
    start, cache = second.eval()(tokens(2, 8)[:, :3].to(device))
    end, _ = second(tokens(2, 8)[:, 3:].to(device), cache)
    near(torch.cat([start, end], dim=1), whole)


def test_training(twins: Any, device: torch.device) -> None:
    get = {name: CODE.get("training", name) for name in ("get_batch", "train_step")}
    configure_optimizer = CODE.get("training", "configure_optimizer")
    estimate_loss = CODE.get("training", "estimate_loss")
    data = tokens(60)
    trained = []
    for model in twins("gpt2", "GPT2"):
        where = next(model.parameters()).device
        optimizer = configure_optimizer(
            model, learning_rate=0.01, weight_decay=0.1, betas=(0.9, 0.95)
        )
        chance = torch.Generator().manual_seed(3)
        batches = [get["get_batch"](data.to(where), 2, 8, generator=chance) for _ in range(2)]
        loss = get["train_step"](model, optimizer, batches, max_grad_norm=1.0)
        more = {"batch_size": 2, "block_size": 8, "num_batches": 3}
        trained.append((loss, estimate_loss(model, data.to(where), **more), model))
    (*expected, first), (*found, second) = trained
    assert found == pytest.approx(expected, rel=1e-9)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert other.device.type == device.type
        near(other, one)


def test_openais_weights(device: torch.device) -> None:
    hparams = json.loads((OPENAI / "hparams.json").read_text(encoding="utf-8"))
    model = CODE.get("gpt2", "GPT2")(
        hparams["n_vocab"],
        hparams["n_embd"],
        hparams["n_head"],
        hparams["n_layer"],
        hparams["n_ctx"],
    ).to(device)
    variables = {name: torch.from_numpy(v) for name, v in read_checkpoint(OPENAI).items()}
    CODE.get("pretrained", "load_openai_weights")(model, variables)
    assert {p.device.type for p in model.parameters()} == {device.type}
    assert any(torch.equal(p.cpu(), variables["model/wte"]) for p in model.parameters())


def test_a_classifier(twins: Any, device: torch.device) -> None:
    idx, lengths, labels = tokens(3, 6), torch.tensor([6, 1, 4]), torch.tensor([0, 1, 1])
    results = []
    for gpt2 in twins("gpt2", "GPT2"):
        where = next(gpt2.parameters()).device
        torch.manual_seed(2)
        classifier = CODE.get("classification", "GPT2Classifier")(gpt2, 12, 2)
        head = {id(p) for p in gpt2.parameters()}
        for p in classifier.parameters():
            if id(p) not in head:  # the same numbers on both
                p.data = torch.linspace(-1, 1, p.numel(), dtype=torch.float64).view_as(p).to(where)
        optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1)
        batch = (idx.to(where), lengths.to(where), labels.to(where))
        step = CODE.get("classification", "finetune_step")
        loss = step(classifier, optimizer, *batch, max_grad_norm=1.0)
        results.append((loss, classifier(*batch[:2])))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-9)
    near(results[1][1], results[0][1])


def test_the_lab(
    inside: Callable[..., tuple[int, str]], device: torch.device, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    run = tmp_path / "run"
    where = ["--device", device.type]
    how = settings(iterations=6, compile="auto", precision="auto", accumulation=2)
    code, said = inside("train", "--data", text, "--out", run, *how, *where)
    assert code == 0, said
    assert len(numbers(run)) >= 6
    code, said = inside("train", "--resume", "--out", run, "--set=iterations=9", *where)
    assert code == 0, said
    assert "going on from iteration 6" in said
    code, said = inside("sample", run, "--prompt", "7 green", "--max-new-tokens", 5, *where)
    assert code == 0, said
    assert "7 green" in said
