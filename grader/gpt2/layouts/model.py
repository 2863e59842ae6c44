"""How a GPT2 is put together, given functions for its blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2 import twists
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    REGIMES,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    PartFunction,
    difference,
    lookup,
    remember,
)
from grader.gpt2.layouts.norm import NormLayout
from grader.gpt2.model_deviations import DEVIANT_MODELS, PAIRED_MODELS
from grader.gpt2.model_forms import GPT2_MODEL, ModelForm, Pieces, asked_form, other_forms
from grader.gpt2.norms import DEVIANT_NORMS, Eps, NormFunction, closest_eps
from grader.gpt2.oracle import Integers
from grader.gpt2.specification import GPT2, Specification

_LONG = 64  # tokens; longer sequences cost more than others


class ModelBox(Protocol):
    """A function of parameters and token indices, (B, T) -> (B, T, V)."""

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        """A parameter vector whose trained values are random and away from zero."""

    def call(self, theta: Floats, x: Integers) -> Floats:
        """The logits for parameters theta."""

    def sweep(self, theta: Floats, x: Integers, indices: Indices, step: float = 1.0) -> Floats:
        """Logits (n, B, T, V) with one element of theta after another raised by `step`."""

    def steady(self, theta: Floats, x: Integers) -> bool:
        """Whether they are the same when chance and the calls before are others."""


@dataclass(frozen=True)
class ModelSizes:
    """The sizes a GPT2 was built with."""

    vocab_size: int
    embed_dim: int
    num_layers: int
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
    num_layers: int
    form: ModelForm = GPT2_MODEL
    norm_function: NormFunction = model.layer_norm
    norm_cause: str = ""
    inside: Sequence[Indices] = ()  # where the parameters of each block lie
    all_blocks: PartFunction | None = None  # one after the other, asked in one
    asked: Specification = GPT2

    def compute(self, theta: Floats, idx: Integers) -> Floats:
        """What a model of this layout gives."""
        return self.form.compute(idx, self.pieces(theta))

    @property
    def is_asked(self) -> bool:
        """Whether the parts are put together as is asked."""
        return not self.causes

    @property
    def causes(self) -> tuple[str, ...]:
        """Slugs of the deviations from what is asked."""
        return (*self.form.causes, *filter(None, [self.norm_cause]))

    def weights(self, theta: Floats, blocks: Sequence[model.Block]) -> model.Gpt2:
        """The model's weights, given its blocks'."""
        return model.Gpt2(
            theta[self.tokens],
            None if self.positions is None else theta[self.positions],
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
            blocks=[partial(block, theta) for block in self.blocks],
            norm=lambda x: self.norm_function(x, final),
            other_norm=lambda x: model.layer_norm(x, other),
            head=theta[self.head],
            head_bias=lookup(theta, self.head_bias),
            num_layers=self.num_layers,
            all_blocks=self.all_blocks and partial(self.all_blocks, theta),
        )


def find_model(
    box: ModelBox,
    blocks: Sequence[PartFunction],
    block_norm: NormLayout | None,
    rest: Sequence[Indices],
    sizes: ModelSizes,
    rng: np.random.Generator,
    only_right: bool = False,
    in_order: bool = False,
    all_blocks: PartFunction | None = None,
    asked: Specification = GPT2,
    once: bool = False,
) -> ModelLayout:
    """The layout of a GPT2: the right form if it fits, else (or only_right) the deviation.

    blocks: what each block does, and all_blocks one after the other; block_norm: the last norm
    inside them, if it is known; once: one comparison will do, since others follow.
    in_order: rows of positions in another order than theirs are not looked for.
    rest: the places of each parameter that belongs to no block, in the parameter's shape.
    Raises LayoutNotFound when nothing fits.
    """
    theta = box.draw(rng)
    idx = rng.integers(0, sizes.vocab_size, (3, sizes.block_size))
    idx[0, : sizes.block_size - 1] = idx[0, 0]  # the same token again and again
    idx[1, 0] = sizes.vocab_size - 1
    idx[2, 0] = 0  # which some take for padding, and do not count
    if sizes.block_size > _LONG:
        idx = idx[2:]  # the others show nothing that they do not show where they are short
    drawn = [(theta, idx)]
    if not once:
        drawn[0] = theta, idx[:, :-1]
        drawn += [(box.draw(rng, scale), idx) for scale, _ in REGIMES[1:]]
    seen = [(theta, x, box.call(theta, x)) for theta, x in drawn]

    def fits(layout: ModelLayout) -> bool:
        return all(difference(layout.compute(t, x), logits) < SAME for t, x, logits in seen)

    remembered = [remember(block) for block in blocks]
    together = all_blocks and remember(all_blocks)
    form, function = asked_form(asked), model.NORMS[asked.norm]
    layouts = [
        replace(v, asked=asked, form=form, norm_function=function, all_blocks=together)
        for v in _layouts(rest, remembered, block_norm, sizes)
    ]
    found = next(filter(fits, _right_layouts(layouts, asked)), None)
    if found is None and not in_order and asked.positions == "learned":
        reordered = [t for i in rest for t in _by_effect(box, theta, idx[:1], i.squeeze(), sizes)]
        others = (replace(v, positions=t) for t in reordered for v in layouts)
        found = next(filter(fits, others), None)
    if found is None and not only_right and box.steady(theta, idx):
        others = (v for layout in layouts for v in _others(layout))
        deviant = (v for layout in layouts for v in _deviants(layout))
        paired = (v for layout in layouts for v in _paired(layout))
        plain = asked_form(asked).formula == GPT2_MODEL.formula
        known = [*([] if asked == GPT2 else [others]), *([deviant, paired] if plain else [])]
        found = next(filter(fits, itertools.chain(*known)), None)
    if found is not None:
        found = _fit_eps(found, box, theta, idx)
        return replace(found, blocks=tuple(blocks), all_blocks=all_blocks)
    raise LayoutNotFound(
        "the logits are not head(norm(blocks(token + position))), nor any other combination of "
        "these parts that the grader knows"
    )


def _right_layouts(layouts: Sequence[ModelLayout], asked: Specification) -> Iterator[ModelLayout]:
    """Those that have a table of positions; where none is asked for, all of them without."""
    if asked.positions == "learned":
        yield from (layout for layout in layouts if layout.positions is not None)
    else:
        once: dict[tuple[bytes, ...], ModelLayout] = {}
        for layout in layouts:
            parts = (layout.tokens, layout.head, layout.norm.weight, layout.norm.bias)
            once.setdefault(tuple(part.tobytes() for part in parts), layout)
        yield from (replace(layout, positions=None) for layout in once.values())


def _others(layout: ModelLayout) -> Iterator[ModelLayout]:
    """What might have been asked for in its place."""
    asked = layout.asked
    forms = [layout.form, *other_forms(asked)]
    for form, norm in itertools.product(forms, model.NORMS):
        cause = "".join(twists.causes(asked, replace(asked, norm=norm)))
        if form is not layout.form or cause:
            function = model.NORMS[norm]
            yield replace(layout, form=form, norm_function=function, norm_cause=cause)


def _deviants(layout: ModelLayout) -> Iterator[ModelLayout]:
    for form in DEVIANT_MODELS:
        yield replace(layout, form=form)
    for cause, functions in DEVIANT_NORMS.items():
        for function in functions:
            yield replace(layout, norm_cause=cause, norm_function=function)


def _paired(layout: ModelLayout) -> Iterator[ModelLayout]:
    for form in PAIRED_MODELS:
        yield replace(layout, form=form)
    for cause, functions in DEVIANT_NORMS.items():
        for form, function in itertools.product(DEVIANT_MODELS, functions):
            yield replace(layout, form=form, norm_cause=cause, norm_function=function)


def _layouts(
    rest: Sequence[Indices],
    blocks: Sequence[PartFunction],
    block_norm: NormLayout | None,
    sizes: ModelSizes,
) -> Iterator[ModelLayout]:
    """Every way in which parameters of these shapes can be embeddings, norm and head."""
    size, vocab, length = sizes.embed_dim, sizes.vocab_size, sizes.block_size
    absent = np.full(size, ABSENT, dtype=np.intp)
    squeezed = [indices.squeeze() for indices in rest]
    tables = [t for i in squeezed for t in _tables(i, size)]
    tokens = [t for table in tables for t in _runs(table, vocab)]
    positions: list[Indices | None] = [
        p for table in tables if len(table) != vocab for p in _runs(table, length)
    ]
    rows = [row for table in tables if len(table) <= 2 for row in table]
    if not rows:  # packed with something else: at the beginning or at the end
        rows = [row for t in tables if len(t) not in (vocab, length) for row in (*t[:2], *t[-2:])]
    biases = [i for i in squeezed if i.shape == (vocab,)] or [np.full(vocab, ABSENT, dtype=np.intp)]
    norms = [NormLayout(w, b) for w, b in itertools.permutations(rows, 2)]
    norms = norms or [NormLayout(row, absent) for row in rows] or [NormLayout(absent, absent)]
    other = block_norm or NormLayout(absent, absent)
    # As many as there are tokens, which will do as long as sequences are no longer.
    shared = [table[:length] for table in tables if len(table) == vocab >= length]
    for token, position, norm, bias, head in itertools.product(
        tokens, positions or [*shared, None], norms, biases, tokens
    ):
        taken = position is not None and position[0, 0] in (token[0, 0], head[0, 0])
        if taken and not positions:
            continue
        yield ModelLayout(token, position, norm, head, bias, blocks, other, sizes.num_layers)


def _tables(indices: Indices, size: int) -> list[Indices]:
    """A parameter as rows of `size`, if it can be read so."""
    if indices.ndim == 1 and indices.size % size == 0:
        return [indices.reshape(-1, size)]
    if indices.ndim != 2 or size not in indices.shape:
        return []
    return [indices if indices.shape[1] == size else indices.T]


def _by_effect(
    box: ModelBox, theta: Floats, idx: Integers, parameter: Indices, sizes: ModelSizes
) -> Iterator[Indices]:
    """The rows of a table in the order of the positions from which on they are felt.

    Each position may have its row anywhere, as long as it has one of its own: reversed, behind
    rows for padding, every other one. Whether it is the same row for every length is for a
    comparison to say.
    """
    for table in _tables(parameter, sizes.embed_dim):
        if len(table) >= sizes.block_size:
            change = box.sweep(theta, idx, table[:, 0]) - box.call(theta, idx)
            felt = np.abs(change).max((1, 3), initial=0.0) > NOTHING  # (rows, T)
            rows = np.flatnonzero(felt.any(1))
            first = felt[rows].argmax(1)
            if np.array_equal(np.sort(first), np.arange(sizes.block_size)):
                yield table[rows[np.argsort(first)]]


def _runs(table: Indices, count: int) -> list[Indices]:
    """The first and the last `count` rows of a table."""
    if len(table) < count:
        return []
    return [table] if len(table) == count else [table[:count], table[-count:]]


def _fit_eps(layout: ModelLayout, box: ModelBox, theta: Floats, idx: Integers) -> ModelLayout:
    """The same with the eps that explains hidden states of hardly any variance."""
    quiet = theta * 1e-2
    for norm in (layout.norm, layout.block_norm):
        quiet = np.where(_among(norm.weight, theta.size), theta, quiet)
    wanted = box.call(quiet, idx)

    def distance(eps: Eps) -> float:
        return difference(with_eps(layout, *eps).compute(quiet, idx), wanted)

    return with_eps(layout, *closest_eps(distance))


def _among(indices: Indices, size: int) -> np.ndarray:
    chosen = np.zeros(size, dtype=bool)
    chosen[indices[indices != ABSENT]] = True
    return chosen


def with_eps(layout: ModelLayout, eps: float, outside: bool) -> ModelLayout:
    """The layout with another eps in its final norm."""
    return replace(layout, norm=replace(layout.norm, eps=eps, eps_outside=outside))
