"""How a block is wired, given functions for its attention and its MLP."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2 import twists
from grader.gpt2.block_forms import (
    BLOCKS,
    DEVIANT_FORMS,
    GPT2_FORM,
    PAIRED_FORMS,
    BlockForm,
    form_of,
)
from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    REGIMES,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    ParameterProbe,
    PartFunction,
    difference,
    remember,
)
from grader.gpt2.layouts.factors import Branch, Factor, find_branches, scaled_attention, scaled_mlp
from grader.gpt2.layouts.mlp import MlpLayout
from grader.gpt2.layouts.norm import NormLayout, Norms
from grader.gpt2.norms import DEVIANT_NORMS, Eps, NormFunction, closest_eps
from grader.gpt2.specification import GPT2, Specification

_LARGE_EPS = (1e-3, 1e-4, 1e-2, 5e-2, 1e-1, 0.5, 1.0)  # the likely ones first
_EXACT = 1e-9  # a distance that no other eps would make smaller


@dataclass(frozen=True)
class BlockLayout:
    """A block's norms and its form; as asked if `form` and `norm_cause` say nothing else.

    norms: in the order of use; factors: of its branches, where they are multiplied by something
    before they join the stream; asked: what it is to be.
    """

    norms: tuple[NormLayout, ...]
    attend: PartFunction
    feed: PartFunction
    form: BlockForm = GPT2_FORM
    norm_function: NormFunction = model.layer_norm
    norm_cause: str = ""
    attention: AttentionLayout | None = None  # of the block's own parts, where they are known
    mlp: MlpLayout | None = None
    factors: tuple[Factor, Factor] | None = None
    asked: Specification = GPT2

    def inside(self, places: Indices) -> BlockLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(
            self,
            norms=tuple(norm.inside(places) for norm in self.norms),
            attention=self.attention and self.attention.inside(places),
            mlp=self.mlp and self.mlp.inside(places),
            factors=self.factors
            and (self.factors[0].inside(places), self.factors[1].inside(places)),
        )

    @property
    def is_asked(self) -> bool:
        """Whether the wiring is the one that is asked for."""
        return not self.causes

    @property
    def causes(self) -> tuple[str, ...]:
        """Slugs of the deviations from the block that is asked for."""
        found = (*self.form.causes, *filter(None, [self.norm_cause]))
        pairs = itertools.combinations((norm.weight for norm in self.norms), 2)
        shared = any((one == two).all() and (one != ABSENT).all() for one, two in pairs)
        told = any(cause.startswith("norm-") for cause in found)
        return (*found, "norm-shared") if shared and not told else found

    def weights(self, theta: Floats) -> model.Block | None:
        """The block's weights, if both parts' layouts are known."""
        if self.attention is None or self.mlp is None:
            return None
        first, second, *outer = (norm.norm(theta) for norm in self.norms)
        attention, mlp = self.attention.weights(theta), self.mlp.weights(theta)
        if self.factors:
            one, two = (factor.value(theta) for factor in self.factors)
            attention, mlp = scaled_attention(attention, one), scaled_mlp(mlp, two)
        if outer:  # behind attention, before the MLP, behind it
            return model.Block(first, attention, outer[0], mlp, (second, outer[1]))
        return model.Block(first, attention, second, mlp)

    def attended(self, theta: Floats, u: Floats) -> Floats:
        """What its first branch adds to the stream, given the normed one."""
        return self._factor(0, theta) * self.attend(theta, u)

    def _factor(self, number: int, theta: Floats) -> Floats | float:
        return self.factors[number].value(theta) if self.factors else 1.0

    def compute(self, theta: Floats, x: Floats) -> Floats:
        """What a block of this layout gives."""
        return self.form.compute(
            x,
            lambda u: self.attended(theta, u),
            lambda u: self._factor(1, theta) * self.feed(theta, u),
            *(partial(self._normed, layout.norm(theta)) for layout in self.norms),
        )

    def _normed(self, norm: model.Norm, h: Floats) -> Floats:
        return self.norm_function(h, norm)


def find_block(
    box: ParameterProbe,
    attend: PartFunction,
    feed: PartFunction,
    rest: Indices,
    embed_dim: int,
    rng: np.random.Generator,
    only_right: bool = False,
    pairs: bool = True,
    inside: Sequence[Indices] = (),
    single: Sequence[Indices] = (),
    asked: Specification = GPT2,
) -> BlockLayout:
    """The layout of a block: the one that is asked for if it fits, else the deviation that does.

    only_right: neither look for deviations nor measure the norms' eps; pairs: look for two
    deviations at once too, which are many.

    attend, feed: what the block's attention and MLP do, given all parameters and an input.
    rest: rows (n, C) of parameter elements that are neither's: the norms'. inside: the parameters
    of attention and of MLP, and single: elements (1,) of parameters that are neither's, for
    branches that are multiplied by something.
    Raises LayoutNotFound when nothing fits.
    """
    theta = box.draw(rng)
    # Channels of several sizes tell a norm's weight from its bias, and a norm from none.
    x = rng.normal(0.0, 1.5, (2, 3, embed_dim)) + 0.5
    seen = [(theta, x, box.call(theta, x))]
    for scale, spread in REGIMES[1:]:
        other, z = box.draw(rng, scale), rng.normal(0.0, spread, x.shape) + 0.5
        seen.append((other, z, box.call(other, z)))

    def fits(layout: BlockLayout) -> bool:
        return all(difference(layout.compute(t, x), y) < SAME for t, x, y in seen)

    rows = _active(box, theta, x, rest)
    parts = remember(attend), remember(feed)
    norms = Norms(box, theta, x, rows)
    for layout in _right_layouts(norms, asked, parts):
        if fits(layout):
            found = replace(layout, attend=attend, feed=feed)
            return found if only_right else fit_eps(found, box, rng, embed_dim)
    if inside and asked.plain_block:
        inputs = [(t, x) for t, x, _ in seen]
        for branches in find_branches(box, parts, inside, [*rest, *single], inputs):
            layout = _of_branches(branches, attend, feed)
            layout = replace(layout, asked=asked)
            if fits(layout) and (layout.is_asked or not only_right):
                return layout if only_right else fit_eps(layout, box, rng, embed_dim)
    if not only_right and asked.plain_block:
        for layout in _with_large_eps(_right_layouts(norms, asked, parts)):
            if fits(layout):
                found = replace(layout, attend=attend, feed=feed)
                return fit_eps(found, box, rng, embed_dim)
    if not only_right and box.steady(theta, x):
        others = () if asked == GPT2 else _other_layouts(norms, asked, parts)
        deviant = _deviant_layouts(rows, embed_dim, parts) if asked.plain_block else ()
        paired = _paired_layouts(rows, embed_dim, parts) if pairs and asked.plain_block else ()
        for layout in itertools.chain(others, deviant, paired):
            if fits(layout):
                return replace(layout, attend=attend, feed=feed, asked=asked)
    raise LayoutNotFound(
        f"the output is not that of {BLOCKS[asked.block].formula}, nor of any other combination "
        "of these parts that the grader knows"
    )


def _active(box: ParameterProbe, theta: Floats, x: Floats, rest: Indices) -> list[Indices]:
    """The rows whose elements the output feels."""
    if not rest.size:
        return []
    effect = box.sweep(theta, x, rest.ravel()) - box.call(theta, x)
    felt = np.abs(effect).reshape(*rest.shape, -1).max((1, 2)) > NOTHING
    return [row for row, active in zip(rest, felt, strict=True) if active]


def _right_layouts(
    norms: Norms, asked: Specification, parts: tuple[PartFunction, PartFunction]
) -> Iterator[BlockLayout]:
    """Every way in which the block can be the one that is asked for."""
    form, function = BLOCKS[asked.block], model.NORMS[asked.norm]
    for layouts in norms.layouts(form.norms):
        yield BlockLayout(layouts, *parts, form, function, asked=asked)


def _with_large_eps(layouts: Iterable[BlockLayout]) -> Iterator[BlockLayout]:
    """The same with an eps that shows, in both norms or in one of them."""
    for layout in layouts:
        for eps in _LARGE_EPS:
            first = _with_eps(layout, 0, (eps, False))
            yield from (_with_eps(first, 1, (eps, False)), first)
            yield _with_eps(layout, 1, (eps, False))


def _other_layouts(
    norms: Norms, asked: Specification, parts: tuple[PartFunction, PartFunction]
) -> Iterator[BlockLayout]:
    """Every way in which it can be one that might have been asked for."""
    for block, norm in itertools.product(BLOCKS, model.NORMS):
        found = replace(asked, block=block, norm=norm)
        if found == asked:
            continue
        wiring = twists.causes(asked, replace(asked, block=block))
        kind = twists.causes(asked, replace(asked, norm=norm))
        violates = frozenset({"pre_norm"}) if wiring else frozenset()
        for layout in _right_layouts(norms, found, parts):
            form = replace(layout.form, causes=wiring, violates=violates)
            yield replace(layout, form=form, norm_cause="".join(kind))


def _of_branches(
    branches: tuple[Branch, Branch], attend: PartFunction, feed: PartFunction
) -> BlockLayout:
    """The layout whose branches these are."""
    first, second = (NormLayout(branch.weight, branch.bias) for branch in branches)
    factors = branches[0].factor, branches[1].factor
    form = form_of(*("bare" if branch.bare else "right" for branch in branches))
    return BlockLayout((first, second), attend, feed, form, factors=factors)


def _deviant_layouts(
    rows: list[Indices], size: int, parts: tuple[PartFunction, PartFunction]
) -> Iterator[BlockLayout]:
    """Deviations, with the norms' parameters in the order in which they are declared."""
    for norms in _declared(rows, size):
        layout = BlockLayout(norms, *parts)
        forms = [replace(layout, form=form) for form in DEVIANT_FORMS]
        others = [
            replace(layout, norm_cause=cause, norm_function=function)
            for cause, functions in DEVIANT_NORMS.items()
            for function in functions
        ]
        # Norms without any weights look like shared ones.
        yield from (*forms, *others) if rows else (*others, *forms)


def _paired_layouts(
    rows: list[Indices], size: int, parts: tuple[PartFunction, PartFunction]
) -> Iterator[BlockLayout]:
    """Two deviations at once."""
    for norms in _declared(rows, size):
        layout = BlockLayout(norms, *parts)
        for form in PAIRED_FORMS:
            yield replace(layout, form=form)
        for cause, functions in DEVIANT_NORMS.items():
            for form, function in itertools.product(DEVIANT_FORMS, functions):
                yield replace(layout, form=form, norm_cause=cause, norm_function=function)


def _declared(rows: list[Indices], size: int) -> Iterator[tuple[NormLayout, NormLayout]]:
    absent = np.full(size, ABSENT, dtype=np.intp)
    none = NormLayout(absent, absent)
    if len(rows) == 4:
        for a, b, c, d in ((0, 1, 2, 3), (0, 2, 1, 3)):  # norm by norm, or weights before biases
            first, second = NormLayout(rows[a], rows[b]), NormLayout(rows[c], rows[d])
            yield from ((first, second), (second, first))
    elif len(rows) == 3:  # one of the biases does nothing
        for alone, weight, bias in ((0, 1, 2), (2, 0, 1)):
            whole, part = NormLayout(rows[weight], rows[bias]), NormLayout(rows[alone], absent)
            yield from ((part, whole), (whole, part))
    elif len(rows) == 2:
        shared = NormLayout(rows[0], rows[1])
        bare = NormLayout(rows[0], absent), NormLayout(rows[1], absent)
        yield from ((shared, shared), (shared, none), (none, shared), bare, bare[::-1])
    elif len(rows) == 1:
        only = NormLayout(rows[0], absent)
        yield from ((only, only), (only, none), (none, only))
    elif not rows:
        yield (none, none)


def fit_eps(
    layout: BlockLayout, box: ParameterProbe, rng: np.random.Generator, size: int
) -> BlockLayout:
    """The same with the eps that explain what happens to inputs of hardly any variance.

    First for the second norm, with an input that cancels what attention adds (a constant, when
    the first norm gives zeros), so that this norm receives something small; then for the first.
    """
    if layout.asked.block != "pre-norm":
        return _fit_every_eps(layout, box, rng, size)
    small = rng.normal(0.0, 1.0, (3, 1, size)) * np.array([1e-1, 1e-2, 1e-3])[:, None, None]
    theta = box.draw(rng)
    deaf = theta.copy()
    for places in (layout.norms[0].weight, layout.norms[0].bias):
        deaf[places[places != ABSENT]] = 0.0
    x = small - layout.attended(deaf, np.zeros((1, 1, size)))
    wanted = box.call(deaf, x)
    second = closest_eps(lambda eps: difference(_with_eps(layout, 1, eps).compute(deaf, x), wanted))
    layout = _with_eps(layout, 1, second)
    y = box.call(theta, small)
    first = closest_eps(lambda eps: difference(_with_eps(layout, 0, eps).compute(theta, small), y))
    return _with_eps(layout, 0, first)


def _with_eps(layout: BlockLayout, number: int, eps: Eps) -> BlockLayout:
    """The layout with another eps in its first (0) or second (1) norm."""
    norms = list(layout.norms)
    norms[number] = replace(norms[number], eps=eps[0], eps_outside=eps[1])
    return replace(layout, norms=tuple(norms))


def _fit_every_eps(
    layout: BlockLayout, box: ParameterProbe, rng: np.random.Generator, size: int
) -> BlockLayout:
    """The same for a block of any form, in which all that is normed is small: one eps for all
    norms, as most have, and then each on its own.
    """
    theta = 0.03 * box.draw(rng)
    x = rng.normal(0.0, 1.0, (3, 1, size)) * np.array([1e-1, 1e-2, 1e-3])[:, None, None]
    wanted = box.call(theta, x)
    every = range(len(layout.norms))
    for chosen in (every, *([number] for number in every)):
        layout = _fit_some_eps(layout, chosen, theta, x, wanted)
    return layout


def _fit_some_eps(
    layout: BlockLayout, chosen: Sequence[int], theta: Floats, x: Floats, wanted: Floats
) -> BlockLayout:
    """The same with another eps, one for all these norms, where that comes closer."""

    def with_eps(eps: Eps) -> BlockLayout:
        found = layout
        for number in chosen:
            found = _with_eps(found, number, eps)
        return found

    def distance(eps: Eps) -> float:
        return difference(with_eps(eps).compute(theta, x), wanted)

    if difference(layout.compute(theta, x), wanted) <= _EXACT:
        return layout
    return with_eps(closest_eps(distance))
