"""How an MLP can compute: GPT-2's way, and the ways that are taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grader.gpt2.oracle import GELUS, Activation, Floats, Mlp

Place = Callable[[Floats, Mlp, Activation], Floats]


def _sigmoid(z: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


# What is taken for GELU: cause -> functions.
ACTIVATIONS: dict[str, tuple[Activation, ...]] = {
    "relu": (
        lambda z: np.maximum(z, 0.0),
        lambda z: np.where(z > 0.0, z, 0.01 * z),
        lambda z: np.clip(z, 0.0, 6.0),
        lambda z: np.maximum(z, 0.0) ** 2,
    ),
    "silu": (lambda z: z * _sigmoid(z),),
    "quick-gelu": (lambda z: z * _sigmoid(1.702 * z),),
    "tanh-activation": (np.tanh,),
    "no-activation": (lambda z: z,),
}


def _up(x: Floats, w: Mlp) -> Floats:
    return x @ w.up.T + w.up_bias


def _down(h: Floats, w: Mlp) -> Floats:
    return h @ w.down.T + w.down_bias


@dataclass(frozen=True)
class MlpForm:
    """An MLP with slips: the slugs of what is not GPT-2's, and what it computes."""

    causes: tuple[str, ...]
    compute: Callable[[Floats, Mlp], Floats]


_PLACES: dict[str, Place] = {
    "": lambda x, w, f: _down(f(_up(x, w)), w),
    "activation-after-second": lambda x, w, f: f(_down(_up(x, w), w)),
    "gelu-on-input": lambda x, w, f: _down(_up(f(x), w), w),
}
_MORE_PLACES: tuple[tuple[str, Place], ...] = (
    ("activation-after-second", lambda x, w, f: f(_down(f(_up(x, w)), w))),
    ("gelu-on-input", lambda x, w, f: _down(f(_up(f(x), w)), w)),
    ("leak-via-sequence-mean", lambda x, w, f: _right(x - x.mean(1, keepdims=True), w, f)),
    ("batch-mixing", lambda x, w, f: _right(x - x.mean(0, keepdims=True), w, f)),
    ("double-residual", lambda x, w, f: x + _right(x, w, f)),
)


def _right(x: Floats, w: Mlp, activation: Activation) -> Floats:
    return _PLACES[""](x, w, activation)


def _form(causes: tuple[str, ...], place: Place, activation: Activation) -> MlpForm:
    return MlpForm(tuple(filter(None, causes)), lambda x, w: place(x, w, activation))


DEVIANT_MLPS: tuple[MlpForm, ...] = (
    *(_form((cause,), _right, f) for cause, all_ in ACTIVATIONS.items() for f in all_),
    *(
        _form((cause,), place, f)
        for cause, place in (*_PLACES.items(), *_MORE_PLACES)
        if cause
        for f in GELUS.values()
    ),
)
PAIRED_MLPS: tuple[MlpForm, ...] = tuple(
    _form((cause, where), place, f)
    for cause, functions in ACTIVATIONS.items()
    for f in functions
    for where, place in (*_PLACES.items(), *_MORE_PLACES)
    if where
)
# A width of its own goes with an activation that is right: equality with any of these.
RIGHT_MLPS: tuple[MlpForm, ...] = tuple(_form((), _right, f) for f in GELUS.values())


def width_cause(width: int, embed_dim: int, elsewhere: int, other_dim: int) -> str:
    """The slug for a wrong hidden width, told from the widths at two sizes."""
    if width == elsewhere and embed_dim != other_dim:
        return "width-const"
    return "width-2x" if width < 4 * embed_dim else "width-8x"
