"""How a GPT2 can be put together: the right way, and the ways that are taken for it.

Written over functions, so that a candidate's own blocks can stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2.oracle import Floats, Integers

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
