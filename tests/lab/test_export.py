"""A run for others: `transformers` loads it and gives the same logits, and the same tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lab.submission import Submission
from lab.writing import writer
from tests.bank import FOLDER
from tests.lab.conftest import SOLUTIONS, train_options
from tests.lab.test_bridge import CONFIG, submission
from tests.lab.test_weights import CPU, FORMS, SMALL, published, transformers

Inside = Callable[..., tuple[int, str]]
STYLES = FOLDER / "pretrained" / "accepted"


def compared(run: Path, folder: Path, submission: Path) -> float:
    """How far the exported model's logits are from the submission's."""
    model = writer(run, Submission(submission), CPU, torch.float32, use_cache=False)
    other = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    idx = torch.randint(model.tokens.vocab_size, (2, model.run.recipe.block_size))
    with torch.no_grad():
        return float((other(idx).logits - model.model(idx)).abs().max())


@pytest.mark.parametrize("kind", ["chars", "bytes", "gpt2"])
def test_a_trained_run(inside: Inside, tmp_path: Path, kind: str) -> None:
    options = train_options(tmp_path, "run", sample_every=0, iterations=6)
    assert inside(*options, "--tokens", kind)[0] == 0
    code, said = inside("export", tmp_path / "run", "--format", "hf", "--out", tmp_path / "hf")
    assert code == 0, said
    assert compared(tmp_path / "run", tmp_path / "hf", SOLUTIONS) < 1e-4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    tokens = writer(tmp_path / "run", Submission(SOLUTIONS), CPU, torch.float32).tokens
    text = "17 green bottles,\nhanging on" + ("<|endoftext|> the wall" if kind == "gpt2" else "")
    ids = tokenizer(text)["input_ids"]
    assert ids == tokens.encode(text).tolist()
    assert tokenizer.decode(ids) == text
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "hf")
    assert code == 2
    assert "is there already" in said


@pytest.mark.parametrize("name", ["gpt2", "cerebras", "untied, exact, eps", "no scale"])
def test_there_and_back(inside: Inside, tmp_path: Path, name: str) -> None:
    published(tmp_path / "hf", **{**SMALL, **FORMS[name]})
    assert inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run")[0] == 0
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "back")
    assert code == 0, said
    assert compared(tmp_path / "run", tmp_path / "back", SOLUTIONS) < 1e-4
    before, after = (load_file(tmp_path / one / "model.safetensors") for one in ("hf", "back"))
    if name != "no scale":  # there it is in the queries
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    for field, value in FORMS[name].items():
        if field not in ("scale_attn_weights", "n_inner"):
            assert config[field] == value


@pytest.mark.parametrize(
    "style",
    [
        "einsum_weights_per_head",
        "review_p3_separate",
        "separate_linears_untied_head",
        "conv1d_as_openai",
    ],
)
def test_models_of_other_styles(inside: Inside, tmp_path: Path, style: str) -> None:
    published(tmp_path / "hf", **{**SMALL, "n_embd": 24, "n_head": 3})
    own = shutil.copytree(STYLES / style, tmp_path / "own")
    options = ["--submission", own]
    code, said = inside("load-gpt2", tmp_path / "hf", "--out", tmp_path / "run", *options)
    assert code == 0, said
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "back")
    assert code == 0, said
    assert compared(tmp_path / "run", tmp_path / "back", own) < 1e-4
    before, after = (load_file(tmp_path / one / "model.safetensors") for one in ("hf", "back"))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_what_is_no_gpt2_is_not_written(inside: Inside, tmp_path: Path) -> None:
    own = shutil.copytree(SOLUTIONS, tmp_path / "own")
    assert inside(*train_options(tmp_path, "run", iterations=2), "--submission", own)[0] == 0
    text = (own / "gpt2.py").read_text(encoding="utf-8")
    (own / "gpt2.py").write_text(
        text.replace("(attn_norm(x))", "").replace("/ math.sqrt", "* math.sqrt")
    )
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "hf")
    assert code == 2
    assert "has changed since" in said
    assert "not those of a GPT-2 with its weights" in said
    assert not (tmp_path / "hf").exists()


HEADS = (
    "q, k, v = (t.flatten(2) for t in self.qkv_proj(x).view(B, T, self.num_heads, 3, -1).unbind(3))"
)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config", {}),
        ("order", {"q, k, v = self.qkv_proj(x)": "v, q, k = self.qkv_proj(x)"}),
        ("heads", {"q, k, v = self.qkv_proj(x).split(C, dim=-1)": HEADS}),
        ("names", {"qkv_proj": "qkv", "attn_norm": "one"}),
    ],
)
def test_without_pretrained(
    inside: Inside, tmp_path: Path, name: str, changes: dict[str, str]
) -> None:
    text = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8")
    text = CONFIG if name == "config" else text
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    own = submission(tmp_path / "own", text).folder
    options = train_options(tmp_path, "run", iterations=6, sample_every=0, num_layers=2)
    assert inside(*options, "--submission", own)[0] == 0
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "hf")
    assert code == 0, said
    assert compared(tmp_path / "run", tmp_path / "hf", own) < 1e-4


def test_of_other_modules_without_pretrained(inside: Inside, tmp_path: Path) -> None:
    own = submission(
        tmp_path / "own", (FOLDER / "accepted" / "bare_parameters_matmul.py").read_text()
    )
    options = train_options(tmp_path, "run", iterations=2, sample_every=0)
    assert inside(*options, "--submission", own.folder)[0] == 0
    code, said = inside("export", tmp_path / "run", "--out", tmp_path / "hf")
    assert code == 2
    assert "this needs pretrained.py" in said
