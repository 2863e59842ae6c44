"""What makes training fast computes what it stands in for."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from lab import attention, compiled, gelu, linear, muon, race
from lab.device import linear_by_onednn, training_precision
from lab.errors import LabError
from lab.optimization import learning_rate_of
from lab.presets import preset
from lab.submission import Submission
from tests.bank import ROOT

SHAPES = ((7,), (5, 7), (2, 5, 7), (1, 1, 7))


NEEDS_ONEDNN = pytest.mark.skipif(not linear.available(), reason="this build has no oneDNN")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@NEEDS_ONEDNN
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


def test_a_race_leaves_chance_alone() -> None:
    before = torch.get_rng_state()
    times = race._times.__wrapped__()
    assert set(times) == {"torch", "onednn", "bfloat16"}
    assert 0 < times["torch"] < 60
    assert 0 < times["bfloat16"] < 60
    assert torch.equal(torch.get_rng_state(), before)


@NEEDS_ONEDNN
@pytest.mark.parametrize(
    ("torchs", "onednns", "bfloat16s", "onednn", "precision"),
    [
        (10, 10, 5, False, torch.bfloat16),
        (10, 5, 5, True, torch.float32),
        (10, 9, 9, False, torch.float32),  # not clearly faster
        (10, 5, 2, True, torch.bfloat16),
        (10, float("inf"), 20, False, torch.float32),
    ],
)
def test_who_wins_computes(
    monkeypatch: pytest.MonkeyPatch,
    torchs: float,
    onednns: float,
    bfloat16s: float,
    onednn: bool,
    precision: torch.dtype,
) -> None:
    times = {"torch": torchs, "onednn": onednns, "bfloat16": bfloat16s}
    monkeypatch.setattr(race, "_times", lambda: times)
    assert linear_by_onednn("auto", CPU) == onednn
    assert training_precision("auto", CPU) == precision
    # What is asked for by name is not raced for.
    assert linear_by_onednn("onednn", CPU)
    assert not linear_by_onednn("torch", CPU)
    assert not linear_by_onednn("onednn", CUDA)
    assert training_precision("bfloat16", CPU) == torch.bfloat16
    assert training_precision("float32", CPU) == torch.float32


@pytest.mark.parametrize("wanted", ["auto", "sdpa"])
@pytest.mark.parametrize(("heads", "length"), [(1, 6), (3, 6), (4, 1), (2, 5)])
def test_faster_attention_is_the_same_attention(wanted: str, heads: int, length: int) -> None:
    torch.manual_seed(0)
    plain = Submission(ROOT / "solutions").get("gpt2", "CausalSelfAttention")(12, heads, 6)
    plain.double()
    other = copy.deepcopy(plain)
    attention.use(wanted, other, 6, CPU)
    assert "forward" in vars(other)
    x = torch.randn(3, length, 12, dtype=torch.float64)
    results = []
    for module in (plain, other):
        given = x.clone().requires_grad_()
        out = module(given)
        (out.sin() * torch.arange(12)).sum().backward()
        results.append([out, given.grad, *(p.grad for p in module.parameters())])
    for expected, found in zip(*results, strict=True):
        assert torch.allclose(expected, found, atol=1e-10)


def test_faster_attention_drops_out_too() -> None:
    torch.manual_seed(0)
    module = Submission(ROOT / "solutions").get("gpt2", "CausalSelfAttention")(12, 2, 6, 0.5)
    attention.use("auto", module, 6, CPU)
    module.resid_dropout.p = 0.0
    x = torch.randn(1, 6, 12)
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


class OtherAttention(nn.Module):
    """Named as that of solutions/, but another thing: it sees what is to come."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv_proj, self.out_proj = nn.Linear(4, 12), nn.Linear(4, 4)
        self.num_heads = 2
        self.attn_dropout, self.resid_dropout = nn.Dropout(0.0), nn.Dropout(0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, 4) -> (B, T, 4)"""
        q, k, v = self.qkv_proj(x).chunk(3, -1)
        out: torch.Tensor = self.out_proj((q @ k.mT).softmax(-1) @ v)
        return out


@pytest.mark.parametrize("module", [OtherAttention(), nn.Linear(3, 3)])
def test_attention_of_another_kind_is_left_as_it_is(module: nn.Module) -> None:
    attention.use("auto", module, 6, CPU)
    assert "forward" not in vars(module)
    with pytest.raises(LabError, match="attention=sdpa"):
        attention.use("sdpa", module, 6, CPU)


def test_the_exact_gelu_in_bfloat16_alone() -> None:
    plain, other = nn.GELU(approximate="tanh"), nn.GELU(approximate="tanh")
    gelu.use_exact(other)
    x = torch.linspace(-6, 6, 1001)
    assert torch.equal(other(x), plain(x))
    exact = other(x.bfloat16())
    assert torch.equal(exact, nn.functional.gelu(x.bfloat16()))
    assert (nn.functional.gelu(x) - plain(x)).abs().max() < 5e-4


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


def test_matrices_take_their_steps_in_turn() -> None:
    torch.manual_seed(0)
    model = Submission(ROOT / "solutions").get("gpt2", "GPT2")(11, 8, 2, 2, 6)
    optimizer = muon.configure(
        model, learning_rate=0.1, weight_decay=0.1, betas=(0.9, 0.99), vocab_size=11, every=3
    )
    inside = optimizer.param_groups[0]["params"]
    moved = []
    for _ in range(6):
        before = [p.detach().clone() for p in inside]
        table = model.token_embedding.weight.detach().clone()
        optimizer.zero_grad()
        model(torch.randint(11, (2, 6))).square().mean().backward()
        optimizer.step()
        moved.append([not torch.equal(p, b) for p, b in zip(inside, before, strict=True)])
        assert not torch.equal(model.token_embedding.weight, table)
    assert moved[:3] == moved[3:]
    assert [sum(column) for column in zip(*moved, strict=True)] == [2] * len(inside)
    assert all(0 < sum(row) < len(inside) for row in moved)


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
