"""Stubs and solutions are held together, and the reference is GPT-2."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import math
from pathlib import Path
from types import ModuleType

import pytest
import torch

from grader.catalogue import EXERCISES
from tests.bank import ROOT
from tests.conftest import Grade

SEED_003 = {
    "CausalSelfAttention": "(embed_dim: int, num_heads: int, block_size: int, "
    "dropout_p: float = 0.0) -> None",
    "MLP": "(embed_dim: int, dropout_p: float = 0.0) -> None",
    "TransformerBlock": "(embed_dim: int, num_heads: int, block_size: int, "
    "dropout_p: float = 0.0) -> None",
    "GPT2": "(vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, "
    "block_size: int, dropout_p: float = 0.0) -> None",
}
FORWARDS = {"GPT2": "(self, idx: torch.Tensor) -> torch.Tensor"}
FILES = [exercise.file for exercise in EXERCISES.values()]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", name="solution")
def _solution() -> ModuleType:
    return load(ROOT / "solutions" / "gpt2.py")


@pytest.mark.parametrize("folder", ["exercises", "solutions"])
@pytest.mark.parametrize("name", SEED_003)
def test_signatures_are_the_briefs(folder: str, name: str) -> None:
    found = getattr(load(ROOT / folder / "gpt2.py"), name)
    assert str(inspect.signature(found)) == SEED_003[name]
    forward = FORWARDS.get(name, "(self, x: torch.Tensor) -> torch.Tensor")
    assert str(inspect.signature(found.forward)) == forward


@pytest.mark.parametrize("file", FILES)
def test_stubs_and_solutions_have_the_same_outline(file: str) -> None:
    outlines = []
    for folder in ("exercises", "solutions"):
        tree = ast.parse((ROOT / folder / file).read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        public = [f for f in functions if not f.name.startswith("_")]
        outlines.append(
            {f.name: (ast.unparse(f.args), ast.get_docstring(f)) for f in public}
            | {
                c.name: {
                    f.name: ast.unparse(f.args)
                    for f in c.body
                    if isinstance(f, ast.FunctionDef) and f.name in ("__init__", "forward")
                }
                for c in classes
            }
        )
        assert all(ast.get_docstring(node) for node in (*classes, *public))
    assert outlines[0] == outlines[1]


TELLING = {
    "gpt2": ("linear", "softmax", "mask", "tril", "embedding(", "layernorm", "3 *"),
    "generation": ("multinomial", "softmax", "argmax", "cumsum", "sort", "topk", "no_grad"),
    "kv_cache": ("torch.cat", "keys", "values", "mask", "arange", "concat", "zeros"),
    "training": ("randint", "ndim", "zero_grad", "cross_entropy", "clip_grad", "cos(", ".eval"),
    "tokenizer": ("counter", "max(", "min(", "findall", "regex", "replace", "rank", "cache"),
    "pretrained": ("transpose", "copy_", "clone", "split", "chunk", "no_grad", "state_dict"),
    "classification": ("linear", "identity", "hook", "- 1", "zero_grad", "clip", "arange"),
    "lora": ("_modules", "setattr", "zeros", "requires_grad", "kaiming", "named_children", "copy_"),
}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_stubs_do_not_give_the_design_away(exercise: str) -> None:
    text = (ROOT / "exercises" / EXERCISES[exercise].file).read_text(encoding="utf-8").lower()
    assert [word for word in TELLING[exercise] if word in text] == []


@pytest.mark.parametrize("exercise", EXERCISES)
def test_stubs_are_todo(judge: Grade, exercise: str) -> None:
    report = judge(ROOT / "exercises", exercise=exercise)
    assert report.untouched
    assert report.verdict == "fail"
    assert report.score == 0
    assert {r.status for r in report.results if r.check.points} <= {"todo", "not-run"}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_reference_passes(judge: Grade, exercise: str) -> None:
    assert judge(ROOT / "solutions", exercise=exercise).score == 100


def test_reference_has_gpt2_smalls_parameters(solution: ModuleType) -> None:
    with torch.device("meta"):
        model = solution.GPT2(50257, 768, 12, 12, 1024)
    assert sum(p.numel() for p in model.parameters()) == 124_439_808


def test_reference_refuses_bad_sizes(solution: ModuleType) -> None:
    with pytest.raises(ValueError, match="divisible"):
        solution.CausalSelfAttention(10, 3, 4)
    with pytest.raises(ValueError, match="block_size"):
        solution.GPT2(11, 8, 2, 1, 4)(torch.zeros(1, 5, dtype=torch.long))


def test_reference_is_initialised_as_gpt2(solution: ModuleType) -> None:
    torch.manual_seed(0)
    model = solution.GPT2(200, 64, 4, 8, 32)
    for name, parameter in model.named_parameters():
        if name.endswith(("out_proj.weight", "down_proj.weight")):
            assert parameter.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.05), name
        elif parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
    assert model.head.weight is model.token_embedding.weight
