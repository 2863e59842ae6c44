"""Layouts of weights that a submission computes from its parameters: do they hold?

The worker says what the computed weights are. That is a proposal like any layout: here the
submission, left as it is, must equal the oracle with these weights for parameters and inputs of
every kind, and its parameters must be able to move every weight on its own.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np

from grader.gpt2 import oracle
from grader.gpt2.layouts import AttentionLayout, BlockLayout, LayoutNotFound, MlpLayout, ModelLayout
from grader.gpt2.layouts.box import ABSENT, CLOSE, Floats, Indices, difference
from grader.gpt2.layouts.whole import WholeLayout
from grader.gpt2.models import Size
from grader.sandbox.client import Module
from grader.sandbox.client.worker import Values

Layout = AttentionLayout | MlpLayout | BlockLayout | ModelLayout | WholeLayout
_STEP = 1e-4
_RANK = 1e-6
_MANY = 1200  # weights: where there are more, smaller models have shown whether they are free
# Fields of layouts that need not be free: a head may be tied to the tokens, and parts are judged
# by themselves.
_NOT_FREE = ("head", "head_bias", "inside", "block_norm", "attention", "mlp")


def any_computed(plain: Module, weighed: Module, rng: np.random.Generator) -> bool:
    """Whether any of the weights has values that are no parameter's."""
    if not any("|" in parameter.name for parameter in weighed.parameters):
        return False
    theta = plain.random(rng, 0.5)
    return not bool(np.isin(weighed.weigh(theta), theta).all())


def sound(layout: Layout | LayoutNotFound) -> bool:
    """Whether a layout says that all is as asked."""
    if isinstance(layout, LayoutNotFound):
        return False
    if isinstance(layout, AttentionLayout):
        return layout.is_asked
    if isinstance(layout, MlpLayout):
        return layout.activation is not None
    return layout.gelu is not None if isinstance(layout, WholeLayout) else layout.is_asked


def holds(
    plain: Module,
    weighed: Module,
    layout: Layout,
    size: Size,
    rng: np.random.Generator,
    free: bool = True,
) -> bool:
    """Whether the submission is what this layout says, for any parameters, inputs and lengths.

    free: and whether its parameters can move every weight on its own.
    """
    longest = size.get("block_size", 4)
    for scale, time in ((0.5, longest), (1.0, longest - 1), (0.2, 1)):
        theta = plain.random(rng, scale)
        x = _input(size, time, rng)
        expected = _compute(layout, weighed.weigh(theta), x)
        if not difference(plain.call(x, theta), expected) < CLOSE:
            return False
    if not free:
        return True
    if isinstance(layout, WholeLayout):
        return _free(plain, weighed, layout.own, rng)
    used = _used(layout)
    return len(used) > _MANY or _free(plain, weighed, used, rng)


def _input(size: Size, time: int, rng: np.random.Generator) -> Values:
    if "vocab_size" in size:
        return rng.integers(0, size["vocab_size"], (2, time))
    return rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))


def _compute(layout: Layout, weights: Floats, x: Values) -> Floats:
    if isinstance(layout, AttentionLayout):
        # A wrong scale is found out by its own check, and does not make a layout wrong.
        return oracle.attention(x, layout.measured(weights), layout.asked)
    return layout.compute(weights, x)


def _used(layout: object) -> Indices:
    """The elements that the layout places, each once."""
    found = [np.zeros(0, dtype=np.intp)]
    if isinstance(layout, np.ndarray) and layout.dtype == np.intp:
        found.append(layout.ravel())
    elif isinstance(layout, tuple):
        found += [_used(item) for item in layout]
    elif is_dataclass(layout):
        names = [field.name for field in fields(layout) if field.name not in _NOT_FREE]
        found += [_used(getattr(layout, name)) for name in names]
    every = np.unique(np.concatenate(found))
    return every[every != ABSENT]


def _free(plain: Module, weighed: Module, used: Indices, rng: np.random.Generator) -> bool:
    """Whether small changes of the parameters can change each of the used weights alone.

    Or all but a few directions of a matrix, the same wherever the parameters are: one that is
    centred before it is used has none across.
    """
    weights = [p for p in weighed.parameters if np.isin(p.indices, used).any()]
    sources = {source for weight in weights for source in weight.sources}
    own = [p.indices.ravel() for p in plain.parameters if p.trainable and p.name in sources]
    steps = np.concatenate([np.zeros(0, dtype=np.intp), *own])
    slopes = weighed.slopes(plain.random(rng, 0.5), steps, used, _STEP)
    free = _rank(slopes)
    if free == len(used):
        return True
    alone = 0
    for weight in weights:
        columns = np.isin(used, weight.indices)
        rank = _rank(slopes[:, columns])
        alone += rank
        if columns.sum() - rank > _few(weight.shape):
            return False
    elsewhere = weighed.slopes(plain.random(rng, 0.5), steps, used, _STEP)
    return free == alone == _rank(np.concatenate([slopes, elsewhere]))


def _few(shape: tuple[int, ...]) -> int:
    """How many directions of a weight may be out of reach: a sum along one axis."""
    return max(shape) if len(shape) > 1 else 0


def _rank(slopes: Floats) -> int:
    if not slopes.size:
        return 0
    strengths = np.linalg.svd(slopes, compute_uv=False)
    return int((strengths > _RANK * strengths[0]).sum())
