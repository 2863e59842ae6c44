"""Pictures of a submission's own model: its modules as they are used, with shapes and counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from lxml import etree
from selenium import webdriver
from selenium.webdriver.common.by import By

from lab import drawing
from lab.anatomy import Part, anatomy
from lab.model import build, count
from lab.presets import changed, preset
from lab.submission import Submission
from tests.bank import FOLDER
from tests.browser import (
    THEMES,
    WIDTHS,
    assert_everybody_can_use_it,
    browser_of_module,  # noqa: F401  # a fixture
    look,
    needs_browser,
)
from tests.lab.conftest import SOLUTIONS, train_options
from tests.lab.test_bridge import CONFIG, submission

Inside = Callable[..., tuple[int, str]]
SIZES = ["embed_dim=16", "num_heads=2", "num_layers=3", "block_size=12"]


def drawn(code: Submission) -> tuple[torch.nn.Module, Part]:
    model = build(code, changed(preset("cpu"), SIZES), 40)
    return model, anatomy(model, 40, 12)


def every(part: Part) -> Iterator[Part]:
    yield part
    for one in part.parts:
        yield from every(one)


def test_the_reference() -> None:
    model, whole = drawn(Submission(SOLUTIONS))
    assert whole.shape == "(B, T, 40)"
    assert whole.count == count(model)
    names = [part.name for part in whole.parts]
    blocks = ["blocks.0", "blocks.1", "blocks.2"]
    assert names == [
        "token_embedding",
        "position_embedding",
        "dropout",
        *blocks,
        "final_norm",
        "head",
    ]
    first, second = whole.parts[3:5]
    assert [part.name for part in first.parts] == ["attn_norm", "attn", "mlp_norm", "mlp"]
    assert [part.added for part in first.parts] == [False, True, False, True]
    assert first.parts[1].parts[0].own == ["weight (48, 16)", "bias (48)"]
    assert first.parts[1].parts[1].shape == "(B, 2, T, T)"
    assert (second.same_as, second.parts, second.count) == ("blocks.0", [], first.count)
    assert whole.parts[-1].own == ["weight (40, 16) = token_embedding.weight"]
    assert whole.parts[-1].count == 0
    assert Part.from_json(whole.as_json()) == whole
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    "name",
    [
        "bare_parameters_matmul",
        "model_in_one_piece_module_lists",
        "norms_by_hooks",
        "one_class_per_head",
    ],
)
def test_other_styles(tmp_path: Path, name: str) -> None:
    text = (FOLDER / "accepted" / f"{name}.py").read_text(encoding="utf-8")
    model, whole = drawn(submission(tmp_path / "mine", text))
    assert whole.count == count(model)
    parsed = etree.fromstring(drawing.svg(whole).encode())
    words = " ".join(parsed.itertext())
    assert all(part.kind in words for part in every(whole))
    assert model.training


def test_the_residual_of_another_order(tmp_path: Path) -> None:
    """A block without a residual, and one whose input is added twice, are not drawn with one."""
    text = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8")
    wrong = text.replace("x = x + self.attn(", "x = self.attn(")
    blocks = drawn(submission(tmp_path / "mine", wrong))[1].parts[3].parts
    assert [part.added for part in blocks] == [False] * 4


def test_names_are_no_markup(tmp_path: Path) -> None:
    text = (SOLUTIONS / "gpt2.py").read_text(encoding="utf-8")
    hostile = text.replace(
        "self.head = ", 'self.add_module("<script>&", nn.Identity())\n        self.head = '
    )
    whole = drawn(submission(tmp_path / "mine", hostile))[1]
    assert "<script>" not in drawing.svg(whole)
    assert "<script>&" in " ".join(etree.fromstring(drawing.svg(whole).encode()).itertext())


def test_commands(inside: Inside, tmp_path: Path) -> None:
    assert inside(*train_options(tmp_path, "run", iterations=2))[0] == 0
    kept = (tmp_path / "run" / "architecture.svg").read_text(encoding="utf-8")
    code, said = inside("draw", tmp_path / "run")
    assert code == 0, said
    assert "GPT2, " in said
    assert (tmp_path / "run" / "architecture.svg").read_text(encoding="utf-8") == kept
    mine = submission(tmp_path / "mine", CONFIG).folder
    out = tmp_path / "mine.svg"
    sizes = [f"--set={size}" for size in SIZES]
    code, said = inside("draw", "--submission", mine, *sizes, "--vocab-size", 50, "--out", out)
    assert code == 0, said
    assert "pos_embed (1, 12, 16)" in out.read_text(encoding="utf-8")
    code, said = inside("draw", tmp_path / "run", "--vocab-size", 50)
    assert code == 2
    assert "a run has its sizes" in said


@needs_browser
def test_in_the_page(inside: Inside, tmp_path: Path, browser: webdriver.Chrome) -> None:
    assert inside(*train_options(tmp_path, "run", iterations=2))[0] == 0
    assert inside("report", tmp_path / "run")[0] == 0
    for name, theme, width in itertools.product(
        ("architecture.svg", "report.html"), THEMES, WIDTHS
    ):
        look(browser, tmp_path / "run" / name, theme, width)
        assert "TransformerBlock" in browser.page_source
        box = browser.find_element(By.CSS_SELECTOR, "svg.arch")
        assert 600 <= box.size["width"] <= 800  # or nobody could read it
        assert browser.get_log("browser") == []
        if name == "report.html":
            assert_everybody_can_use_it(browser, width)
