"""Models that go beyond the brief: other arguments, (logits, loss), a generate of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lab.bridge import logits_of, own_generate
from lab.building import built
from lab.errors import LabError
from lab.model import build
from lab.presets import changed, preset
from lab.submission import Submission
from tests.lab.conftest import SOLUTIONS, numbers, train_options

Inside = Callable[..., tuple[int, str]]
SIZES = ["embed_dim=16", "num_heads=2", "num_layers=2", "block_size=8"]
SOLVED = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8")
PARTS, MODEL = SOLVED[: SOLVED.index("class GPT2(")], SOLVED[SOLVED.index("class GPT2(") :]
GENERATE = """
    @torch.no_grad()
    def generate(self, {arguments}):
        for _ in range({count}):
            logits = self({idx}[:, -{block}:])
            logits = (logits[0] if isinstance(logits, tuple) else logits)[:, -1]
            {idx} = torch.cat([{idx}, {choose}], dim=1)
        return {idx}
"""
DRAW = "torch.multinomial((logits / temperature).softmax(-1), 1)"

# As a tutorial has it: a config object, (logits, loss), a greedy generate.
CONFIG = (
    PARTS
    + """
class GPT2(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.block_size = config.block_size
        self.token_embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.blocks = nn.Sequential(*[
            TransformerBlock(config.n_embd, config.n_head, config.block_size, config.dropout)
            for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None):
        x = self.token_embed(idx) + self.pos_embed[:, :idx.size(1)]
        logits = self.head(self.ln_f(self.blocks(x)))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())
"""
    + GENERATE.format(
        arguments="idx, max_new_tokens",
        count="max_new_tokens",
        idx="idx",
        block="self.block_size",
        choose="logits.argmax(-1, keepdim=True)",
    )
)
# Another's names, a width of the MLP, temperature and top_k.
NAMED = (
    PARTS
    + """
class Block(nn.Module):
    def __init__(self, d_model, num_heads, length, d_ff, dropout):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attn = CausalSelfAttention(d_model, num_heads, length, dropout)
        self.up, self.down = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class GPT2Model(nn.Module):
    def __init__(
        self, vocab_size, d_model, num_heads, num_layers, max_seq_length, d_ff, dropout=0.1
    ):
        super().__init__()
        self.length = max_seq_length
        self.wte = nn.Embedding(vocab_size, d_model)
        self.wpe = nn.Embedding(max_seq_length, d_model)
        self.h = nn.ModuleList(
            Block(d_model, num_heads, max_seq_length, d_ff, dropout) for _ in range(num_layers))
        self.ln = nn.LayerNorm(d_model)
        self.lm_head = nn.Linear(d_model, vocab_size)

    def forward(self, input_ids):
        x = self.wte(input_ids) + self.wpe(torch.arange(input_ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln(x))
"""
    + GENERATE.format(
        arguments="input_ids, max_new_tokens=50, temperature=1.0, top_k=None",
        count="max_new_tokens",
        idx="input_ids",
        block="self.length",
        choose=DRAW,
    )
)
# The brief's arguments, and two optional ones.
OPTIONAL = PARTS + MODEL.replace(
    "dropout_p: float = 0.0,\n",
    "dropout_p: float = 0.0,\n        tie_weights: bool = True,\n        n_inner: int = 0,\n",
).replace(
    "self.head.weight = self.token_embedding.weight",
    "self.inner = n_inner\n"
    "        if tie_weights:\n            self.head.weight = self.token_embedding.weight",
)


def submission(folder: Path, text: str) -> Submission:
    folder.mkdir(exist_ok=True)
    (folder / "gpt2.py").write_text(text, encoding="utf-8")
    return Submission(folder)


@pytest.mark.parametrize("text", [CONFIG, NAMED], ids=["config", "named"])
def test_built_whatever_its_arguments_are(tmp_path: Path, text: str) -> None:
    model = built(submission(tmp_path / "mine", text), changed(preset("cpu"), SIZES), 30)
    idx = torch.randint(30, (2, 8))
    assert logits_of(model)(idx).shape == (2, 8, 30)


def test_logits_alone_or_with_a_loss(tmp_path: Path) -> None:
    model = build(submission(tmp_path / "mine", CONFIG), changed(preset("cpu"), SIZES), 30)
    bridged = logits_of(model)
    idx = torch.randint(30, (2, 8))
    assert torch.is_tensor(bridged(idx))
    logits, loss = bridged(idx, idx)
    assert logits.shape == (2, 8, 30)
    assert loss.ndim == 0
    plain = build(Submission(SOLUTIONS), changed(preset("cpu"), SIZES), 30)
    assert logits_of(plain) is plain


def test_the_width_of_the_mlp(tmp_path: Path) -> None:
    recipe = changed(preset("cpu"), [*SIZES, "d_ff=24"])
    model = built(submission(tmp_path / "mine", NAMED), recipe, 30)
    assert model.h[0].up.out_features == 24  # type: ignore[index,union-attr]
    optional = built(submission(tmp_path / "other", OPTIONAL), recipe, 30)
    assert optional.inner == 24
    with pytest.raises(LabError, match="d_ff=24: the submission's GPT2 takes no width"):
        built(Submission(SOLUTIONS), recipe, 30)


@pytest.mark.parametrize("text", [OPTIONAL, None], ids=["by its argument", "by its modules"])
def test_a_head_tied_or_not(tmp_path: Path, text: str | None) -> None:
    code = submission(tmp_path / "mine", text) if text else Submission(SOLUTIONS)
    tied, untied = (
        build(code, changed(preset("cpu"), [*SIZES, f"tied_head={said}"]), 30)
        for said in ("yes", "no")
    )
    assert sum(p.numel() for p in untied.parameters()) == 30 * 16 + sum(
        p.numel() for p in tied.parameters()
    )
    untied_before = build(
        submission(tmp_path / "config", CONFIG), changed(preset("cpu"), SIZES), 30
    )
    assert len({id(p) for p in untied_before.parameters() if p.shape == (30, 16)}) == 2


def test_its_own_generate(tmp_path: Path) -> None:
    code = submission(tmp_path / "mine", NAMED)
    model = build(code, changed(preset("cpu"), SIZES), 30)
    generate = own_generate(code, model)
    assert generate is not None
    idx, chance = torch.randint(30, (1, 3)), torch.Generator().manual_seed(4)
    before = torch.get_rng_state()
    out = generate(model, idx, 20, block_size=8, temperature=0.7, top_p=0.9, generator=chance)
    again = generate(model, idx, 20, temperature=0.7, generator=chance)
    assert torch.equal(out, again)
    assert out.shape == (1, 23)
    assert torch.equal(before, torch.get_rng_state())
    assert generate.ignored(temperature=0.7, top_p=0.9, top_k=3) == ["top_p"]
    (code.folder / "generation.py").write_text((SOLUTIONS / "generation.py").read_text())
    assert own_generate(Submission(code.folder), model) is None
    assert own_generate(Submission(SOLUTIONS), model) is None


@pytest.mark.parametrize(("text", "ignored"), [(CONFIG, "temperature, top_k"), (NAMED, "top_p")])
def test_trained_and_sampled(inside: Inside, tmp_path: Path, text: str, ignored: str) -> None:
    mine = submission(tmp_path / "mine", text).folder
    options = ["--submission", mine]
    code, said = inside(*train_options(tmp_path, "run"), *options)
    assert code == 0, said
    entries = numbers(tmp_path / "run")
    assert any(e["event"] == "sample" and len(e["text"]) == 8 for e in entries)
    how = ["--top-k", 3] if "top_k" in ignored else ["--top-p", 0.9]
    code, said = inside(
        "sample", tmp_path / "run", "--prompt", "7 green", "--max-new-tokens", 9, *how
    )
    assert code == 0, said
    assert f"own generate takes no {ignored}: left out" in said
    assert "7 green" in said
    assert "9 tokens" in said
    code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=iterations=14")
    assert code == 0, said


def test_a_run_with_its_own_forms(inside: Inside, tmp_path: Path) -> None:
    code, said = inside(*train_options(tmp_path, "run", tied_head="no", activation="gelu"))
    assert code == 0, said
    assert inside("sample", tmp_path / "run", "--max-new-tokens", 3)[0] == 0
    code, said = inside("train", "--resume", "--out", tmp_path / "run", "--set=tied_head=yes")
    assert code == 2
    assert "tied_head cannot be set anew" in said
