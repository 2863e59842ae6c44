"""How a GPT2 is put together, given functions for its blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from grader.oracle import model
from grader.oracle.layouts.block import NormLayout
from grader.oracle.layouts.box import (
    ABSENT,
    SAME,
    Floats,
    Indices,
    Misfit,
    PartFunction,
    difference,
    lookup,
    remember,
)
from grader.oracle.model import Integers
from grader.oracle.model_forms import DEVIANT_MODELS, GPT2_MODEL, ModelForm, Pieces
from grader.oracle.norms import DEVIANT_NORMS, USUAL_EPS, NormFunction


class ModelBox(Protocol):
    """A function of parameters and token indices, (B, T) -> (B, T, V)."""

    def draw(self, rng: np.random.Generator) -> Floats:
        """A parameter vector whose trained values are random and away from zero."""

    def call(self, theta: Floats, x: Integers) -> Floats:
        """The logits for parameters theta."""


@dataclass(frozen=True)
class ModelSizes:
    """The sizes a GPT2 was built with."""

    vocab_size: int
    embed_dim: int
    block_size: int


@dataclass(frozen=True)
class ModelLayout:
    """Places of a GPT2's own weights, its blocks as functions, and its form."""

    tokens: Indices  # (V, C)
    positions: Indices | None  # (rows, C)
    norm: NormLayout
    head: Indices  # (V, C)
    head_bias: Indices  # (V,)
    blocks: Sequence[PartFunction]
    block_norm: NormLayout
    form: ModelForm = GPT2_MODEL
    norm_function: NormFunction = model.layer_norm
    norm_cause: str = ""

    def compute(self, theta: Floats, idx: Integers) -> Floats:
        """What a model of this layout gives."""
        return self.form.compute(idx, self.pieces(theta))

    @property
    def is_gpt2(self) -> bool:
        """Whether the parts are put together as in GPT-2."""
        return not self.form.cause and not self.norm_cause

    def weights(self, theta: Floats, blocks: Sequence[model.Block]) -> model.Gpt2:
        """The model's weights, given its blocks'."""
        assert self.positions is not None, "a GPT-2 has positions"
        return model.Gpt2(
            theta[self.tokens],
            theta[self.positions],
            blocks,
            self.norm.norm(theta),
            theta[self.head],
            lookup(theta, self.head_bias),
        )

    def pieces(self, theta: Floats) -> Pieces:
        """What the form puts together."""
        final, other = self.norm.norm(theta), self.block_norm.norm(theta)
        return Pieces(
            tokens=theta[self.tokens],
            positions=None if self.positions is None else theta[self.positions],
            blocks=[lambda x, block=block: block(theta, x) for block in self.blocks],
            norm=lambda x: self.norm_function(x, final),
            other_norm=lambda x: model.layer_norm(x, other),
            head=theta[self.head],
            head_bias=lookup(theta, self.head_bias),
        )


def find_model(
    box: ModelBox,
    blocks: Sequence[PartFunction],
    block_norm: NormLayout | None,
    rest: Sequence[Indices],
    sizes: ModelSizes,
    rng: np.random.Generator,
) -> ModelLayout:
    """The layout of a GPT2: the right form if it fits, else the deviation that does.

    blocks: what each block does; block_norm: the last norm inside them, if it is known.
    rest: the places of each parameter that belongs to no block, in the parameter's shape.
    Raises Misfit when nothing fits.
    """
    theta = box.draw(rng)
    idx = rng.integers(0, sizes.vocab_size, (3, sizes.block_size))
    idx[0, : sizes.block_size - 1] = idx[0, 0]  # the same token again and again
    idx[1, 0] = sizes.vocab_size - 1
    whole = box.call(theta, idx)
    start = idx[:, : sizes.block_size - 1]
    part = box.call(theta, start)

    def fits(layout: ModelLayout) -> bool:
        return (
            difference(layout.compute(theta, start), part) < SAME
            and difference(layout.compute(theta, idx), whole) < SAME
        )

    remembered = [remember(block) for block in blocks]
    layouts = list(_layouts(rest, remembered, block_norm, sizes))
    right = [layout for layout in layouts if layout.positions is not None]
    variants = itertools.chain(right, (v for layout in layouts for v in _deviants(layout)))
    for layout in variants:
        if fits(layout):
            fitted = _fit_eps(layout, box, theta, idx)
            return replace(fitted, blocks=tuple(blocks))
    raise Misfit(
        "the logits are not head(norm(blocks(token + position))), nor any other combination of "
        "these parts that the grader knows"
    )


def _deviants(layout: ModelLayout) -> Iterator[ModelLayout]:
    for cause, functions in DEVIANT_NORMS.items():
        for function in functions:
            yield replace(layout, norm_cause=cause, norm_function=function)
    for form in DEVIANT_MODELS:
        yield replace(layout, form=form)


def _layouts(
    rest: Sequence[Indices],
    blocks: Sequence[PartFunction],
    block_norm: NormLayout | None,
    sizes: ModelSizes,
) -> Iterator[ModelLayout]:
    """Every way in which parameters of these shapes can be embeddings, norm and head."""
    size, vocab = sizes.embed_dim, sizes.vocab_size
    absent = np.full(size, ABSENT, dtype=np.intp)
    squeezed = [indices.squeeze() for indices in rest]
    tables = [t for i in squeezed for t in _as_table(i, vocab, size)]
    position_tables: list[Indices | None] = [
        i if i.shape[1] == size else i.T
        for i in squeezed
        if i.ndim == 2 and size in i.shape and vocab not in i.shape and i.size // size > 2
    ]
    rows = [row for i in squeezed if i.shape[-1:] == (size,) and i.size <= 2 * size
            for row in i.reshape(-1, size)]
    biases = [i for i in squeezed if i.shape == (vocab,)] or [np.full(vocab, ABSENT, dtype=np.intp)]
    norms = [NormLayout(w, b) for w, b in itertools.permutations(rows, 2)]
    norms = norms or [NormLayout(row, absent) for row in rows] or [NormLayout(absent, absent)]
    other = block_norm or NormLayout(absent, absent)
    for tokens, positions, norm, bias, head in itertools.product(
        tables, position_tables or [None], norms, biases, tables
    ):
        yield ModelLayout(tokens, positions, norm, head, bias, blocks, other)


def _as_table(indices: Indices, rows: int, columns: int) -> list[Indices]:
    if indices.shape == (rows, columns):
        return [indices]
    return [indices.T] if indices.shape == (columns, rows) else []


def _fit_eps(
    layout: ModelLayout, box: ModelBox, theta: Floats, idx: Integers
) -> ModelLayout:
    """The same with the eps that explains hidden states of hardly any variance."""
    quiet = theta * 1e-2
    for norm in (layout.norm, layout.block_norm):
        quiet = np.where(_among(norm.weight, theta.size), theta, quiet)
    wanted = box.call(quiet, idx)

    def distance(candidate: tuple[float, bool]) -> float:
        return difference(with_eps(layout, *candidate).compute(quiet, idx), wanted)

    candidates = [(eps, outside) for outside in (False, True) for eps in (*USUAL_EPS, 1e-2, 0.1)]
    return with_eps(layout, *min(candidates, key=distance))


def _among(indices: Indices, size: int) -> np.ndarray:
    chosen = np.zeros(size, dtype=bool)
    chosen[indices[indices != ABSENT]] = True
    return chosen


def with_eps(layout: ModelLayout, eps: float, outside: bool) -> ModelLayout:
    """The layout with another eps in its final norm."""
    return replace(layout, norm=replace(layout.norm, eps=eps, eps_outside=outside))
