"""Before training, a look; while it runs, a loss that is too good to be true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lab import leak
from lab.data.dataset import Dataset
from lab.data.tokens import Characters
from lab.look import cache_fault, look
from lab.loop import not_finite
from lab.presets import Recipe
from lab.submission import SOLUTIONS, Submission
from tests.lab.conftest import TEXT, train_options

Inside = Callable[..., tuple[int, str]]
CPU = torch.device("cpu")
SMALL = Recipe(embed_dim=16, num_heads=2, num_layers=3, block_size=16)


def own(folder: Path, file: str, *edits: tuple[str, str]) -> Path:
    """The worked solution's file with edits, alone in a folder."""
    folder.mkdir(exist_ok=True)
    text = (SOLUTIONS / file).read_text(encoding="utf-8")
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    (folder / file).write_text(text, encoding="utf-8")
    return folder


NO_MASK = ("scores = scores.masked_fill(", "_ = scores.masked_fill(")
ONE_TOO_MANY = ("dtype=torch.bool).tril()", "dtype=torch.bool).tril(1)")
LAST = "return self.head(self.final_norm(x))"
MEAN = (LAST, LAST.replace("(x))", "(x + x.mean(1, keepdim=True)))"))


IN_TRAINING = ("~self.visible[:T, :T]", "~self.visible[:T, :T] & (not self.training)")


@pytest.mark.parametrize(
    "edit", [NO_MASK, ONE_TOO_MANY, MEAN, IN_TRAINING], ids=["none", "late", "mean", "in training"]
)
def test_what_sees_later_tokens_is_not_trained(
    inside: Inside, tmp_path: Path, edit: tuple[str, str]
) -> None:
    mine = own(tmp_path / "own", "gpt2.py", edit)
    options = [*train_options(tmp_path, "run", iterations=3), "--submission", mine]
    code, said = inside(*options)
    assert code == 2, said
    assert "GPT2 is not causal" in said
    assert not (tmp_path / "run").exists()
    code, said = inside(*options, "--no-look")
    assert code == 0, said
    assert "look:" not in said


def test_what_is_right_is_told_in_a_line(inside: Inside, tmp_path: Path) -> None:
    zero = "nn.init.zeros_(self.out_proj.weight)"  # right, and hides what attention sees
    bias = "self.out_proj = nn.Linear(embed_dim, embed_dim)"
    mine = own(tmp_path / "own", "gpt2.py", (bias, f"{bias}\n        {zero}"))
    own(mine, "kv_cache.py")
    code, said = inside(*train_options(tmp_path, "run", iterations=3), "--submission", mine)
    assert code == 0, said
    line = " ".join(said.split())
    assert (
        "look: logits are (B, T, V), no token sees a later one, the cache changes nothing" in line
    )
    assert "every parameter gets a gradient, first loss" in line


@pytest.mark.parametrize(
    ("file", "edit", "words"),
    [
        ("gpt2.py", (LAST, "return idx.float()"), "not (2, 16)"),
        ("gpt2.py", (LAST, f"{LAST}[:, -1]"), "must give logits"),
        ("gpt2.py", (LAST, f"{LAST}.log()"), "no finite numbers"),
        ("training.py", ("pieces[:, 1:]", "pieces[:, :-1]"), "not the next tokens"),
    ],
)
def test_what_cannot_learn_to_write(
    inside: Inside, tmp_path: Path, file: str, edit: tuple[str, str], words: str
) -> None:
    mine = own(tmp_path / "own", file, edit)
    code, said = inside(*train_options(tmp_path, "run"), "--submission", mine)
    assert code == 2, said
    assert words in " ".join(said.split())


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("(block.attn_norm(x))", "(block.attn_norm(x))"), ""),
        (("torch.arange(P, P + T", "torch.arange(T"), "gives other logits than GPT2"),
        (("[end - T : end, :end]", "[:T, :end]"), "gives other logits than GPT2"),
        (("grown.append(keys_and_values)", "grown.append(None)"), "CachedGPT2 raised"),
    ],
)
def test_a_cache_that_changes_logits(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    text = (SOLUTIONS / "kv_cache.py").read_text("utf-8")
    edits = [edit] if edit[0] in text and edit[0] != edit[1] else []
    mine = own(own(tmp_path / "own", "gpt2.py"), "kv_cache.py", *edits)
    fault = cache_fault(Submission(mine), SMALL)
    assert words in fault if fault else words == "", fault


def test_a_wrong_cache_writes_nothing(inside: Inside, tmp_path: Path) -> None:
    mine = own(tmp_path / "own", "gpt2.py")
    options = train_options(tmp_path, "run", iterations=3, sample_every=0)
    assert inside(*options, "--submission", mine)[0] == 0
    own(mine, "kv_cache.py", ("torch.arange(P, P + T", "torch.arange(T"))
    code, said = inside("sample", tmp_path / "run", "--max-new-tokens", 3)
    assert code == 0, said
    assert "without a cache (CachedGPT2 gives other logits" in said


def test_doubts_are_told(tmp_path: Path) -> None:
    unused = ("self.final_norm =", "self.unused = nn.Linear(2, 3)\n        self.final_norm =")
    mine = own(
        tmp_path / "own", "gpt2.py", unused, ("module.weight, mean=0.0, std=0.02", "module.weight")
    )
    seen = look(Submission(mine), SMALL, 50, CPU)
    assert "every parameter" not in seen[0]
    assert any("no gradient reaches unused.weight, unused.bias" in line for line in seen)
    assert any("is far from ln V = 3.91" in line for line in seen)


def test_a_look_takes_no_chance_away() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    look(Submission(SOLUTIONS), SMALL, 50, CPU)
    assert torch.equal(torch.rand(3), expected)


def test_what_a_text_allows() -> None:
    """Prose costs something, a text that is there twice does not."""
    prose = Path(__file__).read_text("utf-8")
    tokens = Characters.of([prose])
    ids = torch.from_numpy(tokens.encode(prose))
    new = Dataset(ids[:-2000], ids[-2000:], "")
    twice = Dataset(ids, ids[-2000:], "")
    assert leak.allowed(new, tokens) > 0.1
    assert leak.allowed(twice, tokens) < 0.03


def test_a_leak_is_told_while_it_runs(inside: Inside, tmp_path: Path) -> None:
    """Targets that are the inputs."""
    fault = ("return pieces[:, :-1], pieces[:, 1:]", "return pieces[:, 1:], pieces[:, 1:]")
    mine = own(tmp_path / "own", "training.py", fault)
    (tmp_path / "text.txt").write_text(Path(__file__).read_text("utf-8"), encoding="utf-8")
    options = train_options(tmp_path, "run", iterations=120, learning_rate=3e-2, eval_every=40)
    code, said = inside(*options, "--submission", mine, "--no-look")
    assert code == 0, said
    assert said.count("is less than this text should allow") == 1


def test_no_leak_where_a_text_repeats_itself(inside: Inside, tmp_path: Path) -> None:
    options = train_options(tmp_path, "run", iterations=150, learning_rate=3e-2, eval_every=50)
    code, said = inside(*options)
    assert code == 0, said
    assert "should allow" not in said
    assert TEXT


def test_what_is_said_of_no_number(tmp_path: Path) -> None:
    assert "there is no checkpoint yet" in not_finite(3, float("nan"), tmp_path)
    (tmp_path / "00000002").mkdir()
    assert "00000002, is whole" in not_finite(3, float("nan"), tmp_path)
