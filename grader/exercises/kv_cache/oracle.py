"""A GPT-2 that reads a text in pieces, rightly or with a slip. NumPy float64, from the brief.

Shapes: B batch, T new tokens, P past tokens, H heads, D head_dim. Keys and values of the past are
kept for each block; see Pope et al. 2022, arXiv:2211.05102, for what that saves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.gpt2 import oracle as model
from grader.gpt2.oracle import Activation, Attention, Floats, Gpt2, Integers, layer_norm, softmax

Flags = NDArray[np.bool_]
Kept = tuple[Floats, Floats]  # keys and values (B, H, P, D)


@dataclass(frozen=True)
class State:
    """What is known when a piece is read: how many tokens came before, in how many pieces."""

    past: int
    pieces: int
    new: int


def after_the_past(state: State) -> Integers:
    """Positions of the new tokens: P, P + 1, …"""
    return state.past + np.arange(state.new)


def up_to_itself(state: State, keys: int) -> Flags:
    """Which keys each new token sees (T, keys): the past and the new ones up to itself."""
    end = np.arange(state.new)[:, None] + keys - state.new
    return np.arange(keys)[None] <= end


def appended(past: Kept | None, new: Kept) -> Kept:
    """Keys and values of all tokens."""
    if past is None:
        return new
    return np.concatenate([past[0], new[0]], 2), np.concatenate([past[1], new[1]], 2)


@dataclass(frozen=True)
class Form:
    """How pieces are read. All parts are right unless another is given.

    attended: the keys and values that new tokens attend to; kept: those that the next piece gets,
    from the past's and the new ones'; layer: whose past a block gets, of how many.
    """

    positions: Callable[[State], Integers] = after_the_past
    visible: Callable[[State, int], Flags] = up_to_itself
    attended: Callable[[Kept | None, Kept], Kept] = appended
    kept: Callable[[Kept | None, Kept], Kept] | None = None  # None: what was attended to
    layer: Callable[[int, int], int] = lambda layer, count: layer


RIGHT = Form()


def read(pieces: Sequence[Integers], weights: Gpt2, gelu: Activation, form: Form = RIGHT) -> Floats:
    """Logits (B, T, V) of pieces (B, T_i) of a text, read one after another."""
    assert weights.positions is not None, "a GPT-2 has positions"
    kept: list[Kept] = []
    found, past = [], 0
    for number, idx in enumerate(pieces):
        state = State(past, number, idx.shape[1])
        positions = form.positions(state)
        x = weights.tokens[idx] + weights.positions[positions]
        grown = []
        for layer, block in enumerate(weights.blocks):
            before = kept[form.layer(layer, len(kept))] if kept else None
            u = layer_norm(x, block.attention_norm)
            y, left = _attend(u, block.attention, before, state, form)
            x = x + y
            x = x + model.mlp(layer_norm(x, block.mlp_norm), block.mlp, gelu)
            grown.append(left)
        found.append(layer_norm(x, weights.final_norm) @ weights.head.T + weights.head_bias)
        kept, past = grown, past + idx.shape[1]
    return np.concatenate(found, axis=1)


def _attend(
    x: Floats, weights: Attention, past: Kept | None, state: State, form: Form
) -> tuple[Floats, Kept]:
    query = np.einsum("btc,hdc->bhtd", x, weights.query) + weights.query_bias[None, :, None]
    key = np.einsum("btc,hdc->bhtd", x, weights.key) + weights.key_bias[None, :, None]
    value = np.einsum("btc,hdc->bhtd", x, weights.value) + weights.value_bias[None, :, None]
    keys, values = form.attended(past, (key, value))
    scores = query @ keys.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
    seen = form.visible(state, keys.shape[2])
    mixed = softmax(np.where(seen, scores, -np.inf)) @ values
    y = np.einsum("bhtd,chd->btc", mixed, weights.out) + weights.out_bias
    kept = (keys, values) if form.kept is None else form.kept(past, (key, value))
    return y, kept


def _none_before(past: Kept | None, new: Kept) -> Kept:
    return new


def _prepended(past: Kept | None, new: Kept) -> Kept:
    return new if past is None else appended(new, past)


def _keys_twice(past: Kept | None, new: Kept) -> Kept:
    keys, _ = appended(past, new)
    return keys, keys


def _last_token(past: Kept | None, new: Kept) -> Kept:
    return appended(past, (new[0][:, :, -1:], new[1][:, :, -1:]))


def _without_the_first(past: Kept | None, new: Kept) -> Kept:
    keys, values = appended(past, new)
    return keys[:, :, 1:], values[:, :, 1:]


def _without_the_last(past: Kept | None, new: Kept) -> Kept:
    keys, values = appended(past, new)
    return keys[:, :, :-1], values[:, :, :-1]


def _first_piece(past: Kept | None, new: Kept) -> Kept:
    return new if past is None else past


def _from_zero(state: State) -> Integers:
    return np.arange(state.new)


def _one_early(state: State) -> Integers:
    return np.maximum(after_the_past(state) - (state.past > 0), 0)


def _one_late(state: State) -> Integers:
    return after_the_past(state) + (state.past > 0)


def _pieces_counted(state: State) -> Integers:
    return state.pieces + np.arange(state.new)


def _all_alike(state: State) -> Integers:
    return np.full(state.new, state.past) if state.past else np.arange(state.new)


def _upper_left(state: State, keys: int) -> Flags:
    return np.arange(keys)[None] <= np.arange(state.new)[:, None]


def _upper_left_of_several(state: State, keys: int) -> Flags:
    """A single new token sees all."""
    return _upper_left(state, keys) | (state.new == 1)


def _everything(state: State, keys: int) -> Flags:
    return np.ones((state.new, keys), bool) if state.past else up_to_itself(state, keys)


def _always_everything(state: State, keys: int) -> Flags:
    return np.ones((state.new, keys), bool)


def _one_more(state: State, keys: int) -> Flags:
    end = np.arange(state.new)[:, None] + keys - state.new + (state.past > 0)
    return np.arange(keys)[None] <= end


def _one_fewer(state: State, keys: int) -> Flags:
    end = np.arange(state.new)[:, None] + keys - state.new - (state.past > 0)
    return np.arange(keys)[None] <= end


def _itself_and_the_past(state: State, keys: int) -> Flags:
    new = np.arange(keys)[None] - (keys - state.new)
    itself = np.arange(state.new)[:, None]
    return (new < 0) | (new == itself) if state.past else new <= itself


def _only_new(state: State, keys: int) -> Flags:
    return up_to_itself(state, keys) & (np.arange(keys)[None] >= keys - state.new)


def _last_in_the_past(state: State, keys: int) -> Flags:
    """The first key of all is never seen once there is a past."""
    seen = up_to_itself(state, keys)
    return seen & (np.arange(keys)[None] > 0) if state.past else seen


# Slug -> the forms in which the bug is met.
SLIPS: dict[str, tuple[Form, ...]] = {
    "position-not-offset": (
        Form(positions=_from_zero),
        Form(positions=lambda s: np.zeros(s.new, int) if s.past else np.arange(s.new)),
    ),
    "position-offset-off-by-one": (Form(positions=_one_early), Form(positions=_one_late)),
    "position-offset-counts-pieces": (Form(positions=_pieces_counted),),
    "position-same-in-a-piece": (Form(positions=_all_alike),),
    "mask-upper-left": (Form(visible=_upper_left), Form(visible=_upper_left_of_several)),
    "mask-missing-with-a-past": (Form(visible=_everything),),
    "mask-none": (Form(visible=_always_everything),),
    "mask-off-by-one-with-a-past": (
        Form(visible=_one_more),
        Form(visible=_one_fewer),
        Form(visible=_last_in_the_past),
    ),
    "mask-hides-the-new": (Form(visible=_itself_and_the_past),),
    "past-not-attended": (
        Form(visible=_only_new),
        Form(attended=_none_before, kept=appended),
        Form(positions=_from_zero, attended=_none_before, kept=appended),
    ),
    "cache-overwritten": (Form(kept=_none_before),),
    "cache-not-grown": (Form(kept=_first_piece),),
    "cache-wrong-order": (
        Form(attended=_prepended),
        Form(attended=_prepended, visible=lambda s, k: np.roll(up_to_itself(s, k), s.new, 1)),
    ),
    "cache-keys-for-values": (Form(kept=_keys_twice),),
    "cache-drops-tokens": (
        Form(kept=_last_token),
        Form(kept=_without_the_first),
        Form(kept=_without_the_last),
    ),
    "cache-layers-mixed": (
        Form(layer=lambda layer, count: count - 1),
        Form(layer=lambda layer, count: 0),
        Form(layer=lambda layer, count: count - 1 - layer),
        Form(layer=lambda layer, count: (layer + 1) % count),
        Form(layer=lambda layer, count: (layer - 1) % count),
    ),
}
