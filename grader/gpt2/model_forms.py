"""How a GPT2 can be put together: the right way, and the ways that are taken for it.

Written over functions, so that a candidate's own blocks can stand in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2 import twists
from grader.gpt2.oracle import Floats, Integers, capped, sinusoids
from grader.gpt2.specification import Positions, Specification

Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Pieces:
    """What a GPT2 is put together from.

    tokens (V, C), positions (rows, C) or None, blocks and final norm as functions, head (V, C)
    or None, head_bias (V,), num_layers as the model was told; all_blocks: these one after the
    other, where that is asked in one.
    """

    tokens: Floats
    positions: Floats | None
    blocks: Sequence[Function]
    norm: Function
    other_norm: Function
    head: Floats | None
    head_bias: Floats
    num_layers: int
    all_blocks: Function | None = None

    def over(self, blocks: Sequence[Function]) -> Pieces:
        """The same with other blocks."""
        return replace(self, blocks=blocks, all_blocks=None)


Embed = Callable[[Integers, Pieces], Floats]
Stack = Callable[[Floats, Pieces], Floats]
Finish = Callable[[Floats, Pieces], Floats]


def position_rows(pieces: Pieces, indices: Integers) -> Floats:
    """Rows of the position table; NaN (which equals nothing) where there is no such row."""
    if pieces.positions is None or indices.max() >= len(pieces.positions):
        return np.full((*indices.shape, pieces.tokens.shape[1]), np.nan)
    return pieces.positions[indices]


def times(idx: Integers) -> Integers:
    """Positions 0 … T-1 of idx (B, T)."""
    return np.arange(idx.shape[1], dtype=np.int64)


def add_positions(idx: Integers, pieces: Pieces) -> Floats:
    """GPT-2's: token embedding plus position embedding."""
    return pieces.tokens[idx] + position_rows(pieces, times(idx))


def run_blocks(x: Floats, pieces: Pieces) -> Floats:
    """GPT-2's: every block once, in order."""
    if pieces.all_blocks is not None:
        return pieces.all_blocks(x)
    for block in pieces.blocks:
        x = block(x)
    return x


def norm_and_project(x: Floats, pieces: Pieces) -> Floats:
    """GPT-2's: final norm, then the head."""
    return project(pieces.norm(x), pieces)


def project(x: Floats, pieces: Pieces) -> Floats:
    """The head alone; the hidden states themselves where there is none."""
    return x if pieces.head is None else x @ pieces.head.T + pieces.head_bias


@dataclass(frozen=True)
class ModelForm:
    """A way of putting a GPT2 together, and what it gets wrong.

    violates: requirements not met, of "tokens", "positions", "layers", "final_norm", "logits".
    """

    causes: tuple[str, ...] = ()
    violates: frozenset[str] = frozenset()
    formula: str = "head(norm(blocks(token + position)))"
    embed: Embed = add_positions
    stack: Stack = run_blocks
    finish: Finish = norm_and_project

    def compute(self, idx: Integers, pieces: Pieces) -> Floats:
        """What a model of this form gives for idx (B, T)."""
        x = self.embed(idx, pieces)
        if np.isnan(x).any():  # positions that the table does not have
            return np.full((*idx.shape, len(pieces.head_bias)), np.nan)
        return self.finish(self.stack(x, pieces), pieces)


GPT2_MODEL = ModelForm()


def add_sinusoids(idx: Integers, pieces: Pieces) -> Floats:
    """Token embedding plus fixed sines and cosines."""
    x = pieces.tokens[idx]
    return x + sinusoids(*x.shape[1:])


def tokens_alone(idx: Integers, pieces: Pieces) -> Floats:
    """Token embedding, and nothing that says where it stands."""
    return pieces.tokens[idx]


_EMBEDS: dict[Positions, tuple[str, Embed]] = {
    "learned": ("token + position", add_positions),
    "sinusoidal": ("token + sinusoid", add_sinusoids),
    "alibi": ("token", tokens_alone),
}


def asked_form(asked: Specification) -> ModelForm:
    """How a model that is asked for is put together."""
    words, embed = _EMBEDS[asked.positions]
    formula = f"head(norm(blocks({words})))"
    if not asked.cap:
        return ModelForm(formula=formula, embed=embed)
    return ModelForm(
        formula=f"{asked.cap:g} * tanh({formula} / {asked.cap:g})",
        embed=embed,
        finish=lambda x, pieces: capped(norm_and_project(x, pieces), asked.cap),
    )


def other_forms(asked: Specification) -> Iterator[ModelForm]:
    """How one is put together that might have been asked for in its place."""
    caps = dict.fromkeys((asked.cap, 0.0, twists.BY_NAME["soft-cap"].value))
    for positions, cap in itertools.product(_EMBEDS, caps):
        found = replace(asked, positions=positions, cap=cap)
        elsewhere = positions != asked.positions
        violates = ["positions"] * elsewhere + ["logits"] * (cap != asked.cap)
        if found != asked:
            causes = twists.causes(asked, found)
            yield replace(asked_form(found), causes=causes, violates=frozenset(violates))
