"""The searches for layouts and for bugs, on submissions in NumPy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from grader.gpt2 import oracle, sizes
from grader.gpt2.attention_forms import DEVIANT_ATTENTIONS, AttentionForm
from grader.gpt2.diagnosis import attention as attention_bugs
from grader.gpt2.diagnosis import mlp as mlp_bugs
from grader.gpt2.layouts.box import difference
from grader.gpt2.mlp_forms import DEVIANT_MLPS, MlpForm
from tests.fakes import ATTENTIONS, HALF_AS_WIDE, MLPS, Layout, evidence

EXACT = 1e-9
# Forms, by their places in the table, that the search's short draws do not tell from GPT-2's, or
# that mix rows of a batch in a way that is none at another size: the report names them by what is
# observed, if at all.
FAINT = {"attention-window-2", "mask-too-weak-4", "softmax-dim-2", "softmax-dim-3", "merge-wrong-1"}
TELLING = ("no-scale-0", "mask-none-0", "mask-off-by-one-0", "heads-not-split-0")


def _numbered() -> dict[str, AttentionForm]:
    """Each form by its bug, and by how many of that bug stand before it."""
    found: dict[str, AttentionForm] = {}
    for form in DEVIANT_ATTENTIONS:
        cause = "+".join(form.causes)
        found[f"{cause}-{sum(name.startswith(f'{cause}-') for name in found)}"] = form
    return found


FORMS = _numbered()


@pytest.mark.parametrize("layout", ATTENTIONS, ids=str)
@pytest.mark.parametrize("size", sizes.ATTENTION, ids=lambda size: f"{size['num_heads']}_heads")
def test_attention_is_read_whatever_its_layout(layout: Layout, size: dict[str, int]) -> None:
    known = evidence("CausalSelfAttention", layout, oracle.attention)
    found = known.layouts.attention(size)
    module = known.models.module("CausalSelfAttention", size)
    rng = np.random.default_rng(5)
    theta, x = module.random(rng, 0.5), rng.normal(size=(2, size["block_size"], size["embed_dim"]))
    assert difference(found.compute(theta, x), module.call(x, theta)) < EXACT
    assert found.scale_is_right
    assert found.heads == size["num_heads"]


@pytest.mark.parametrize("layout", MLPS, ids=str)
@pytest.mark.parametrize("gelu", [oracle.gelu_exact, oracle.gelu_tanh], ids=["exact", "tanh"])
def test_mlp_is_read_whatever_its_layout(layout: Layout, gelu: oracle.Activation) -> None:
    known = evidence("MLP", layout, partial(oracle.mlp, activation=gelu))
    for size in sizes.MLP:
        found = known.layouts.mlp(size)
        module = known.models.module("MLP", size)
        rng = np.random.default_rng(5)
        theta, x = module.random(rng, 0.5), rng.normal(size=(2, 3, size["embed_dim"]))
        assert difference(found.compute(theta, x), module.call(x, theta)) < EXACT
        assert found.activation is not None
        assert found.width == 4 * size["embed_dim"]


@pytest.mark.parametrize("name", FORMS)
def test_bug_of_attention_is_named(name: str) -> None:
    found = attention_bugs.causes(
        evidence("CausalSelfAttention", ATTENTIONS[0], FORMS[name].compute)
    )
    assert found == (() if name in FAINT else FORMS[name].causes)


@pytest.mark.parametrize("layout", ATTENTIONS[1:], ids=str)
@pytest.mark.parametrize("name", TELLING)
def test_bug_of_attention_is_named_in_any_layout(layout: Layout, name: str) -> None:
    form = FORMS[name]
    known = evidence("CausalSelfAttention", layout, form.compute)
    assert attention_bugs.causes(known) == form.causes


@pytest.mark.parametrize("form", DEVIANT_MLPS, ids=lambda form: "+".join(form.causes))
def test_bug_of_mlp_is_named(form: MlpForm) -> None:
    layout = MLPS[DEVIANT_MLPS.index(form) % len(MLPS)]
    assert mlp_bugs.causes(evidence("MLP", layout, form.compute)) == form.causes


def test_width_is_named() -> None:
    narrow = evidence("MLP", HALF_AS_WIDE, partial(oracle.mlp, activation=oracle.gelu_exact))
    assert mlp_bugs.causes(narrow) == ("width-2x",)


def test_nothing_is_found_where_there_is_nothing() -> None:
    known = evidence("CausalSelfAttention", ATTENTIONS[0], lambda x, weights: np.sin(x))
    assert attention_bugs.causes(known) == ()
