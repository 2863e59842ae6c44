"""How an attention can compute: GPT-2's way, and the ways that are taken for it.

A form is made of steps, so that two slips in different steps make a form of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from grader.gpt2.oracle import Attention, Floats, softmax

Mask = NDArray[np.bool_]
Split = Callable[[Floats, int], Floats]
Merge = Callable[[Floats], Floats]
Normalise = Callable[[Floats, float], Floats]
Project = Callable[[Floats, Attention], tuple[Floats, Floats, Floats]]
Finish = Callable[[Floats, Attention], Floats]


def _project(x: Floats, w: Attention) -> tuple[Floats, Floats, Floats]:
    """Queries, keys and values, each (B, T, C)."""
    return (
        _one(x, w.query, w.query_bias),
        _one(x, w.key, w.key_bias),
        _one(x, w.value, w.value_bias),
    )


def _one(x: Floats, weight: Floats, bias: Floats) -> Floats:
    size = weight.shape[0] * weight.shape[1]
    return x @ weight.reshape(size, -1).T + bias.reshape(size)


def _split(x: Floats, heads: int) -> Floats:
    """(B, T, C) -> (B, H, T, D)"""
    batch, time, size = x.shape
    return x.reshape(batch, time, heads, size // heads).swapaxes(1, 2)


def _merge(x: Floats) -> Floats:
    """(B, H, T, D) -> (B, T, C)"""
    batch, heads, time, width = x.shape
    return x.swapaxes(1, 2).reshape(batch, time, heads * width)


def _finish(x: Floats, w: Attention) -> Floats:
    return x @ w.out.reshape(w.out.shape[0], -1).T + w.out_bias


def _future(length: int, diagonal: int = 1) -> Mask:
    return np.triu(np.ones((length, length), dtype=bool), diagonal)


def _masked(scores: Floats, hidden: Mask, value: float = -np.inf) -> Floats:
    return np.where(hidden, value, scores)


def _normalise(scores: Floats, scale: float) -> Floats:
    return softmax(_masked(scores * scale, _future(scores.shape[-1])))


def _right_scale(head_dim: int, embed_dim: int) -> float:
    return 1.0 / math.sqrt(head_dim)


@dataclass(frozen=True)
class AttentionForm:
    """Steps of an attention, and the slugs of those that are not GPT-2's.

    steps: names of the steps that differ from GPT-2's; two forms that differ in no common step can
    be had at once. early: whether the slip shows in a sequence of one token.
    """

    causes: tuple[str, ...] = ()
    steps: frozenset[str] = frozenset()
    early: bool = False
    project: Project = _project
    split: Split = _split
    scale: Callable[[int, int], float] = _right_scale
    normalise: Normalise = _normalise
    merge: Merge = _merge
    finish: Finish = _finish
    heads: Callable[[int], int] = field(default=lambda heads: heads)
    arrange: Merge = field(default=lambda x: x)
    restore: Merge = field(default=lambda x: x)

    def compute(self, given: Floats, weights: Attention) -> Floats:
        """(B, T, C) -> (B, T, C), as a submission of this form computes it."""
        x = self.arrange(given)
        batch, time, size = x.shape
        heads = self.heads(weights.query.shape[0])
        q, k, v = (self.split(part, heads) for part in self.project(x, weights))
        scores = q @ k.swapaxes(-1, -2)
        scale = self.scale(size // weights.query.shape[0], size)
        mixed = self.normalise(scores, scale) @ v
        y = self.finish(self.merge(mixed).reshape(batch, time, size), weights)
        return self.restore(y).reshape(given.shape)

    def weights(self, given: Floats, weights: Attention) -> Floats:
        """(B, T, C) -> (B, H, T, T): what each position takes from each, in every head."""
        x = self.arrange(given)
        heads = self.heads(weights.query.shape[0])
        q, k, _ = (self.split(part, heads) for part in self.project(x, weights))
        size = x.shape[-1]
        return self.normalise(
            q @ k.swapaxes(-1, -2), self.scale(size // weights.query.shape[0], size)
        )


def _form(cause: str, early: bool = False, **steps: Callable[..., object]) -> AttentionForm:
    form = AttentionForm((cause,), frozenset(steps), early)
    return replace(form, **steps)  # type: ignore[arg-type]  # each name is that of a step


def _hides(cause: str, hidden: Callable[[int], Mask], value: float = -1e30) -> AttentionForm:
    """A mask that hides other positions, or hides them with another value.

    By default with so low a value that a row in which all is hidden is an even one.
    """

    def normalise(scores: Floats, scale: float) -> Floats:
        return softmax(_masked(scores * scale, hidden(scores.shape[-1]), value))

    return _form(cause, normalise=normalise)


def _adds(cause: str, value: float) -> AttentionForm:
    """A mask that is added."""

    def normalise(scores: Floats, scale: float) -> Floats:
        return softmax(scores * scale + np.where(_future(scores.shape[-1]), value, 0.0))

    return _form(cause, normalise=normalise)


def _strict(scores: Floats, scale: float) -> Floats:
    """The present is hidden too; the first row, where nothing would be left, is not."""
    hidden = _future(scores.shape[-1], 0)
    hidden[0] = False
    return softmax(_masked(scores * scale, hidden))


def _strict_or_nothing(scores: Floats, scale: float) -> Floats:
    """The present is hidden too, and the first row has nothing."""
    hidden = _future(scores.shape[-1], 0)
    return np.where(hidden, 0.0, softmax(_masked(scores * scale, hidden, -1e30)))


def _after_softmax(scores: Floats, scale: float) -> Floats:
    return softmax(scores * scale) * ~_future(scores.shape[-1])


def _over(axis: int, hide: bool = True, keep: bool = False, value: float = -1e30) -> Normalise:
    """A softmax over another axis than the keys'.

    hide: with a mask before it, of this value; keep: with what it makes of what is all masked.
    """

    def normalise(scores: Floats, scale: float) -> Floats:
        hidden = _future(scores.shape[-1]) & hide
        moved = np.moveaxis(_masked(scores * scale, hidden, value), axis, -1)
        weights = np.moveaxis(softmax(moved), -1, axis)
        return weights if keep else np.where(hidden, 0.0, weights)

    return normalise


def _only_some_heads(scores: Floats, scale: float) -> Floats:
    hidden = np.repeat(_future(scores.shape[-1])[None], scores.shape[1], axis=0)
    hidden[0] = False
    return softmax(_masked(scores * scale, hidden))


def _view(x: Floats, heads: int) -> Floats:
    """A view to (B, H, T, D) with no transpose: it cuts through time."""
    batch, time, size = x.shape
    return x.reshape(batch, heads, time, size // heads)


def _fused_view(x: Floats, w: Attention) -> tuple[Floats, Floats, Floats]:
    """All three in one tensor (B, T, 3C), seen as (B, 3, T, C)."""
    fused = np.concatenate(_project(x, w), -1).reshape(len(x), 3, *x.shape[1:])
    return fused[:, 0], fused[:, 1], fused[:, 2]


def _flat(x: Floats) -> Floats:
    """Back to (B, T, C) with no transpose."""
    batch, heads, time, width = x.shape
    return x.reshape(batch, time, heads * width)


def _flat_other(x: Floats) -> Floats:
    """Back through (B, D, T, H) or (T, B, …): axes in another order."""
    batch, heads, time, width = x.shape
    return x.transpose(0, 2, 3, 1).reshape(batch, time, heads * width)


def _batch_and_time(x: Floats) -> Floats:
    batch, heads, time, width = x.shape
    return x.transpose(2, 0, 1, 3).reshape(batch, time, heads * width)


def _unprojected(x: Floats, w: Attention) -> tuple[Floats, Floats, Floats]:
    q, k, _ = _project(x, w)
    return q, k, x


def _bare(x: Floats, w: Attention) -> Floats:
    return x


def _centred(x: Floats, w: Attention) -> tuple[Floats, Floats, Floats]:
    return _project(x - x.mean(1, keepdims=True), w)


def _batch_centred(x: Floats, w: Attention) -> tuple[Floats, Floats, Floats]:
    return _project(x - x.mean(0, keepdims=True), w)


def _one_sequence(x: Floats) -> Floats:
    """The sequences of a batch, one after another."""
    return x.reshape(1, -1, x.shape[-1])


def _batch_as_time(x: Floats) -> Floats:
    return x.swapaxes(0, 1)


def windowed(count: int) -> AttentionForm:
    """Each position sees itself and those before it, so many in all."""
    return _hides("attention-window", lambda t: _future(t) | _future(t, count).T)


GPT2_ATTENTION = AttentionForm()

DEVIANT_ATTENTIONS: tuple[AttentionForm, ...] = (
    _form("no-scale", scale=lambda d, c: 1.0),
    _form("scale-embed-dim", scale=lambda d, c: 1.0 / math.sqrt(c)),
    _form("scale-multiplied", scale=lambda d, c: math.sqrt(d)),
    _form("scale-multiplied", scale=lambda d, c: 1.0 / d),
    _form("scale-multiplied", scale=lambda d, c: float(d)),
    _form("scale-multiplied", scale=lambda d, c: math.sqrt(c)),
    _form("scale-multiplied", scale=lambda d, c: float(c)),
    _form("scale-multiplied", scale=lambda d, c: 1.0 / c),
    _form("scale-num-heads", scale=lambda d, c: 1.0 / math.sqrt(c // d)),
    _form("scale-num-heads", scale=lambda d, c: 1.0 / (c // d)),
    _form("scale-num-heads", scale=lambda d, c: math.sqrt(c // d)),
    _hides("mask-none", lambda t: np.zeros((t, t), dtype=bool)),
    _form("mask-none", normalise=_only_some_heads),
    _form("mask-strict", normalise=_strict),
    _form("mask-strict", early=True, normalise=_strict_or_nothing),
    _hides("mask-strict", lambda t: _future(t, 0)),
    _hides("mask-anti", lambda t: _future(t).T),
    _hides("mask-anti", lambda t: ~_future(t) & ~np.eye(t, dtype=bool)),
    _hides("mask-anti", lambda t: ~_future(t, 0) | ~_future(t)),
    _hides("mask-off-by-one", lambda t: _future(t, 2)),
    _hides("mask-off-by-one", lambda t: _future(t, 3)),
    *(windowed(count) for count in (2, 3, 4)),
    *(_hides("mask-too-weak", _future, v) for v in (0.0, -1.0, -10.0, -50.0, -100.0, 1e-9, -1e-9)),
    *(_adds("mask-too-weak", v) for v in (-1.0, -2.0, -5.0, -10.0, -20.0, -50.0, -100.0)),
    *(_hides("mask-wrong-sign", _future, v) for v in (1e4, 1e9)),
    *(_adds("mask-wrong-sign", v) for v in (1.0, 1e4, 1e9)),
    _form("mask-after-softmax", normalise=_after_softmax),
    _form("softmax-dim", normalise=_over(-2)),
    _form("softmax-dim", normalise=_over(-2, hide=False)),
    _form("softmax-dim", normalise=_over(0)),
    _form("softmax-dim", normalise=_over(0, keep=True)),
    _form("softmax-over-heads", early=True, normalise=_over(1)),
    _form("softmax-over-heads", early=True, normalise=_over(1, keep=True)),
    _form("softmax-over-heads", early=True, normalise=_over(1, hide=False)),
    _form(
        "softmax-before-scale",
        early=True,
        normalise=lambda scores, scale: _normalise(scores, 1.0) * scale,
    ),
    _form("heads-not-split", heads=lambda heads: 1),
    _form("heads-mixed-view", split=_view),
    _form("heads-mixed-view", split=_view, merge=_flat),
    _form("heads-mixed-view", project=_fused_view, split=_view),
    _form("merge-wrong", merge=_flat),
    _form("merge-wrong", merge=_flat_other),
    _form("merge-wrong", merge=_batch_and_time),
    _form("v-not-projected", early=True, project=_unprojected),
    _form("no-out-proj", early=True, finish=_bare),
    _form("leak-via-sequence-mean", early=True, project=_centred),
    _form("batch-mixing", early=True, project=_batch_centred),
    _form("batch-mixing", early=True, arrange=_one_sequence),
    _form("batch-mixing", early=True, arrange=_batch_as_time, restore=_batch_as_time),
)


_SCALES: tuple[AttentionForm, ...] = (
    GPT2_ATTENTION,
    *(form for form in DEVIANT_ATTENTIONS if form.steps == {"scale"}),
)
# With minus infinity where nothing else is left: a softmax over nothing is NaN, and what is not
# NaN tells which slip it is.
_NOT_FINITE: tuple[AttentionForm, ...] = (
    _hides("mask-strict", lambda t: _future(t, 0), -np.inf),
    _hides("mask-anti", lambda t: ~_future(t), -np.inf),
    _hides("mask-anti", lambda t: ~_future(t, 0) | ~_future(t), -np.inf),
    _form("softmax-over-heads", normalise=_over(1, keep=True, value=-np.inf)),
    _form("softmax-dim", normalise=_over(0, keep=True, value=-np.inf)),
    _form("softmax-dim", normalise=_over(-2, keep=True, value=-np.inf)),
)
NOT_FINITE_ATTENTIONS: tuple[AttentionForm, ...] = tuple(
    replace(form, causes=form.causes + scale.causes, scale=scale.scale)
    for scale in _SCALES
    for form in _NOT_FINITE
)


def pairs() -> Iterator[AttentionForm]:
    """Two slips in different steps."""
    for first, second in combinations(DEVIANT_ATTENTIONS, 2):
        if first.causes != second.causes and not first.steps & second.steps:
            changed = {step: getattr(second, step) for step in second.steps}
            yield replace(
                first,
                causes=first.causes + second.causes,
                steps=first.steps | second.steps,
                early=first.early or second.early,
                **changed,
            )
