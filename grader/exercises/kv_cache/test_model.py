"""Requirements of a `CachedGPT2` as a model: it is a GPT-2, with a limit and dropout."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from grader.check import Failure, check
from grader.exercises.kv_cache.client import CachedModel
from grader.exercises.kv_cache.common import ZERO, Text, asked, model, same
from grader.exercises.kv_cache.whole import DEEP, MAX_SEARCH_SIZE, computed_layouts, layout
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import worst
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import CLOSE, SAME, difference
from grader.gpt2.layouts.whole import WholeLayout
from grader.gpt2.mlp_forms import ACTIVATIONS, width_cause
from grader.gpt2.models import Size
from grader.gpt2.norms import SMALL_EPS

PART = "Model"


@check(
    "kv_cache.equals",
    PART,
    12,
    hints=(
        "Is it a GPT-2 when it is given a whole text?",
        "Load the weights of your GPT2 into it, and compare the logits of a whole text.",
        "token + position, num_layers pre-norm blocks of causal attention and MLP, final norm, "
        "head: without a cache nothing is different.",
    ),
)
def test_equals(evidence: Evidence) -> None:
    """A whole text without a cache gets the logits of GPT-2 with the same weights."""
    if proven := computed_layouts(evidence):
        for size, (weighed, found) in zip((MAX_SEARCH_SIZE[0], DEEP), proven, strict=True):
            _expect_parts(found, weighed, size)
        return
    for size in (*MAX_SEARCH_SIZE, DEEP):
        text = Text(size, 2, (size["block_size"],), 0.5, evidence.seed)
        shown = text.read_whole("an error")
        what = f"a whole text, for {', '.join(f'{k}={v}' for k, v in size.items())}"
        asked(evidence, partial(_expect_gpt2, evidence, size), what, shown)


def _expect_gpt2(evidence: Evidence, size: Size) -> None:
    """Fail unless a model of this size is a GPT-2."""
    made = model(evidence, size)
    try:
        found = layout(evidence, size)
    except LayoutNotFound as misfit:
        _expect_causal(made, size, evidence.seed)
        raise Failure(
            f"the parameters cannot be read as those of GPT-2: {misfit}",
            cause=_called(made, size) or "not-gpt2",
        ) from None
    _expect_parts(found, made, size)
    _expect_equal(found, made, size, evidence.seed)


def _called(made: CachedModel, size: Size) -> str:
    """A slug that is told by the functions which a forward calls."""
    functions, _, _ = made.trace(np.zeros((1, size["block_size"]), dtype=np.int64))
    last = {name.rsplit(".", 1)[-1] for name in functions}
    known = {"relu": {"relu", "relu_", "leaky_relu"}, "silu": {"silu"}, "rmsnorm": {"rms_norm"}}
    return next((slug for slug, names in known.items() if names & last), "")


def _expect_parts(found: WholeLayout, made: CachedModel, size: Size) -> None:
    """Fail if a part of a layout is not GPT-2's."""
    width, heads = size["embed_dim"], size["num_heads"]
    for layer in found.layers:
        attention, mlp = layer.attention, layer.mlp
        if attention.heads != heads:
            raise Failure(
                f"expected {heads} heads for num_heads={heads}, found {attention.heads}",
                cause="ignores-num-heads" if attention.heads == 1 else "hard-coded-heads",
            )
        if not attention.scale_is_right:
            raise Failure(
                f"expected scores times 1/√head_dim = {(width / heads) ** -0.5:.4g}, measured "
                f"{attention.scale:.4g}",
                cause=_scale_cause(attention.scale, width, width // heads),
            )
        if mlp.width != 4 * width:
            raise Failure(
                f"expected an MLP of {4 * width} hidden channels, found {mlp.width}",
                cause=width_cause(mlp.width, width, mlp.width, width),
            )
        if mlp.activation is None:
            raise Failure(
                "the activation of the MLP is not GELU", cause=_activation(mlp.read, mlp.given)
            )
        if max(norm.eps for norm in (*layer.norms, found.tables.norm)) > SMALL_EPS:
            raise Failure("expected a small eps such as 1e-5 in the norms", cause="eps-too-large")
    for table, what, cause in (
        (found.tables.tokens, "token", "token-embedding-frozen"),
        (found.tables.positions, "position", "position-not-trainable"),
    ):
        if not made.trainable[table].all():
            raise Failure(f"the {what} embedding is frozen: it is not trained", cause=cause)


def _expect_equal(found: WholeLayout, made: CachedModel, size: Size, seed: int) -> None:
    """Fail unless the model is the oracle's GPT-2 with the weights that were found."""
    length = size["block_size"]
    for number, (scale, time) in enumerate(
        ((0.5, length), (1.0, length - 1), (0.02, 3), (1.0, length), (0.5, 1))
    ):
        text = Text(size, 2, (time,), scale, seed + number)
        theta, idx = text.drawn(made)
        wanted, logits = found.compute(theta, idx), made.call(idx, theta)
        error = difference(logits, wanted)
        if not error < CLOSE:
            _expect_causal(made, size, seed)
            row, t, _ = worst(logits - wanted)
            raise Failure(
                f"the logits of a whole text differ from GPT-2's with the same weights by "
                f"{error:.2g} of their size",
                text.counterexample(
                    wanted[row, t], logits[row, t], f"print(model(idx)[0][{row}, {t}])"
                ),
                "not-gpt2",
            )


def _expect_causal(made: CachedModel, size: Size, seed: int) -> None:
    """Fail if logits depend on tokens that come later."""
    text = Text(size, 1, (4,), 0.8, seed)
    theta, idx = text.drawn(made)
    changed = idx.copy()
    changed[:, -1] = (idx[:, -1] + 1) % size["vocab_size"]
    before, after = made.outputs([idx, changed], theta)
    if not same(after[:, :-1], before[:, :-1]):
        raise Failure(
            "in a whole text, the logits of a token depend on those that come later",
            text.counterexample(
                ZERO,
                np.abs(after - before)[:, :-1].max(),
                "changed = idx.clone()",
                f"changed[:, -1] = (idx[:, -1] + 1) % {size['vocab_size']}",
                "print((model(changed)[0] - model(idx)[0])[:, :-1].abs().max())",
            ),
            "mask-none",
        )


def _scale_cause(scale: float, width: int, head_dim: int) -> str:
    known = {
        "no-scale": 1.0,
        "scale-embed-dim": width**-0.5,
        "scale-multiplied": math.sqrt(head_dim),
    }
    near = (slug for slug, value in known.items() if abs(scale / value - 1.0) < SAME)
    return next(near, "not-gpt2")


def _activation(read: np.ndarray, given: np.ndarray) -> str:
    for slug, functions in ACTIVATIONS.items():
        if any(np.abs(function(read) - given).max() < SAME for function in functions):
            return slug
    return "not-gpt2"
