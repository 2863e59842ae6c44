"""What makes training fast computes what it stands in for."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from lab import compiled, linear, muon
from lab.errors import LabError
from lab.optimization import learning_rate_of
from lab.presets import preset
from lab.submission import Submission
from tests.bank import ROOT

SHAPES = ((7,), (5, 7), (2, 5, 7), (1, 1, 7))


@pytest.mark.skipif(
    not linear.pays("onednn", torch.device("cpu")), reason="this build has no oneDNN"
)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_by_onednn(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(7, 9, bias=bias))
    other = copy.deepcopy(plain)
    linear.use_onednn(other)
    x = torch.randn(shape)
    results = []
    for model in (plain, other):
        given = x.clone().requires_grad_()
        out = model(given)
        out.square().sum().backward()
        results.append([out, given.grad, *(p.grad for p in model.parameters())])
    for expected, found in zip(*results, strict=True):
        assert expected is not None
        assert found is not None
        assert torch.allclose(expected, found, atol=1e-5)
    assert list(plain.state_dict()) == list(other.state_dict())


@pytest.mark.skipif(
    not linear.pays("onednn", torch.device("cpu")), reason="this build has no oneDNN"
)
def test_a_race_settles_who_computes_linear_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    before = torch.get_rng_state()
    linear._wins.__wrapped__()  # whoever it is
    assert torch.equal(torch.get_rng_state(), before)
    for faster in (True, False):
        monkeypatch.setattr(linear, "_wins", lambda faster=faster: faster)
        assert linear.pays("auto", cpu) == faster
    assert linear.pays("onednn", cpu)
    assert not linear.pays("torch", cpu)
    assert not linear.pays("onednn", torch.device("cuda"))


def test_the_same_loss_by_onednn() -> None:
    torch.manual_seed(0)
    recipe = preset("cpu")
    model = Submission(ROOT / "solutions").get("gpt2", "GPT2")(
        11, recipe.embed_dim, recipe.num_heads, 2, recipe.block_size
    )
    idx = torch.randint(11, (3, recipe.block_size))
    expected = model(idx)
    linear.use_onednn(model)
    assert torch.allclose(model(idx), expected, atol=1e-5)


def test_what_is_compiled_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # All of it but the C++, which takes half a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch.manual_seed(0)
    plain = Submission(ROOT / "solutions").get("gpt2", "GPT2")(11, 8, 2, 2, 6)
    fast = copy.deepcopy(plain)
    names = [name for name, _ in fast.named_parameters()]
    compiled.use_compiler(fast, torch.device("cpu"))
    idx = torch.randint(11, (3, 6))
    for model in (plain, fast):
        model(idx).square().mean().backward()
    for expected, found in zip(plain.parameters(), fast.parameters(), strict=True):
        assert expected.grad is not None
        assert found.grad is not None
        assert torch.allclose(expected.grad, found.grad, atol=1e-6)
    assert [name for name, _ in fast.named_parameters()] == names
    # All blocks by one piece of code, and nothing new for other lengths, in eval mode, to write.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for length in (1, 2, 3):
        assert torch.equal(fast.eval()(idx[:, :length]), plain.eval()(idx[:, :length]))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_where_the_model_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [compiled.pays("auto", device) for device in (cpu, cuda)] == [False, True]
    assert not compiled.pays("off", cuda)
    monkeypatch.setattr(compiled, "_has_compiler", lambda: True)
    assert compiled.pays("on", cpu)
    monkeypatch.setattr(compiled, "_has_compiler", lambda: False)
    with pytest.raises(LabError, match=r"compile=on needs a C\+\+ compiler"):
        compiled.pays("on", cpu)


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 48), (16, 64)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape)
    made = muon.orthogonal(matrices)
    # 0.7 to 1.2 is what the iteration of Jordan et al. leaves of values that are not tiny.
    values = torch.linalg.svdvals(made)
    assert values.max() < 1.35
    assert values[:, : min(shape) // 2].min() > 0.6
    # The same singular vectors: uᵀ m v is diagonal.
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ made @ v.mT
    assert (inside - torch.diag_embed(inside.diagonal(dim1=1, dim2=2))).abs().max() < 0.1


def test_rows_become_even() -> None:
    torch.manual_seed(0)
    updates = torch.randn(2, 5, 7) * torch.tensor([1.0, 10, 0.1, 0, 3])[:, None]
    usual = torch.zeros(2, 5, 1)
    even = muon.even(updates, usual)
    sizes = even.square().mean(-1)
    assert torch.allclose(sizes[:, [0, 1, 2, 4]], sizes[:, :1].expand(2, 4), rtol=1e-4)
    assert not even[:, 3].any()
    assert torch.allclose(even.square().sum(), updates.square().sum(), rtol=1e-4)
    again = muon.even(torch.zeros_like(updates), usual)  # no gradient, once
    assert not again.any()
    assert usual[:, 1].gt(usual[:, 0]).all()


def test_a_rate_that_falls_in_a_line() -> None:
    recipe = replace(
        preset("cpu"),
        schedule="linear",
        iterations=10,
        warmup_iterations=2,
        learning_rate=1.0,
        min_learning_rate=0.2,
    )
    rate = learning_rate_of(recipe, Submission(ROOT / "solutions"))
    expected = [0.5, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2]
    assert [rate(step) for step in range(12)] == pytest.approx(expected)


def test_muon_takes_the_matrices_between_the_ends() -> None:
    model = Submission(ROOT / "solutions").get("gpt2", "GPT2")(11, 8, 2, 1, 6)
    optimizer = muon.configure(
        model, learning_rate=0.1, weight_decay=0.1, betas=(0.9, 0.99), vocab_size=11
    )
    groups = {
        name: {id(p) for p in group["params"]}
        for name, group in zip(("inside", "tables", "vectors"), optimizer.param_groups, strict=True)
    }
    kinds = {
        name: next(kind for kind, ids in groups.items() if id(p) in ids)
        for name, p in model.named_parameters()
    }
    assert kinds["token_embedding.weight"] == kinds["position_embedding.weight"] == "tables"
    assert (
        kinds["blocks.0.attn.qkv_proj.weight"] == kinds["blocks.0.mlp.up_proj.weight"] == "inside"
    )
    assert {kind for name, kind in kinds.items() if name.endswith("bias")} == {"vectors"}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(torch.randint(11, (2, 6))).square().mean().backward()
    optimizer.step()
    for name, p in model.named_parameters():
        assert not torch.equal(p, before[name]), name
