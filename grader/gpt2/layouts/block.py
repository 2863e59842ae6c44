"""How a block is wired, given functions for its attention and its MLP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.block_forms import DEVIANT_FORMS, GPT2_FORM, PAIRED_FORMS, BlockForm, form_of
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
    lookup,
    moved,
    remember,
)
from grader.gpt2.layouts.factors import Branch, Factor, find_branches, scaled_attention, scaled_mlp
from grader.gpt2.layouts.mlp import MlpLayout
from grader.gpt2.norms import DEVIANT_NORMS, Eps, NormFunction, closest_eps


@dataclass(frozen=True)
class NormLayout:
    """Places of a norm's weight and bias (C,) in the flat vector, and its eps."""

    weight: Indices
    bias: Indices
    eps: float = 1e-5
    eps_outside: bool = False

    def inside(self, places: Indices) -> NormLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(self, weight=moved(self.weight, places), bias=moved(self.bias, places))

    def norm(self, theta: Floats) -> model.Norm:
        """The norm that these parameter values stand for."""
        weight = np.where(self.weight == ABSENT, 1.0, theta[self.weight])
        return model.Norm(weight, lookup(theta, self.bias), self.eps, self.eps_outside)


@dataclass(frozen=True)
class BlockLayout:
    """A block's two norms and its form; GPT-2's if `form` and `norm_cause` say nothing else.

    factors: of its branches, where they are multiplied by something before they join the stream.
    """

    norms: tuple[NormLayout, NormLayout]
    attend: PartFunction
    feed: PartFunction
    form: BlockForm = GPT2_FORM
    norm_function: NormFunction = model.layer_norm
    norm_cause: str = ""
    attention: AttentionLayout | None = None  # of the block's own parts, where they are known
    mlp: MlpLayout | None = None
    factors: tuple[Factor, Factor] | None = None

    def inside(self, places: Indices) -> BlockLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        first, second = (norm.inside(places) for norm in self.norms)
        return replace(
            self,
            norms=(first, second),
            attention=self.attention and self.attention.inside(places),
            mlp=self.mlp and self.mlp.inside(places),
            factors=self.factors
            and (self.factors[0].inside(places), self.factors[1].inside(places)),
        )

    @property
    def is_gpt2(self) -> bool:
        """Whether the wiring is GPT-2's."""
        return not self.causes

    @property
    def causes(self) -> tuple[str, ...]:
        """Slugs of the deviations from GPT-2's block."""
        found = (*self.form.causes, *filter(None, [self.norm_cause]))
        first, second = (norm.weight for norm in self.norms)
        shared = bool((first == second).all() and (first != ABSENT).all())
        told = any(cause.startswith("norm-") for cause in found)
        return (*found, "norm-shared") if shared and not told else found

    def weights(self, theta: Floats) -> model.Block | None:
        """The block's weights, if both parts' layouts are known."""
        if self.attention is None or self.mlp is None:
            return None
        first, second = (norm.norm(theta) for norm in self.norms)
        attention, mlp = self.attention.weights(theta), self.mlp.weights(theta)
        if self.factors:
            one, two = (factor.value(theta) for factor in self.factors)
            attention, mlp = scaled_attention(attention, one), scaled_mlp(mlp, two)
        return model.Block(first, attention, second, mlp)

    def attended(self, theta: Floats, u: Floats) -> Floats:
        """What its first branch adds to the stream, given the normed one."""
        return self._factor(0, theta) * self.attend(theta, u)

    def _factor(self, number: int, theta: Floats) -> Floats | float:
        return self.factors[number].value(theta) if self.factors else 1.0

    def compute(self, theta: Floats, x: Floats) -> Floats:
        """What a block of this layout gives."""
        first, second = (layout.norm(theta) for layout in self.norms)
        return self.form.compute(
            x,
            lambda u: self.attended(theta, u),
            lambda u: self._factor(1, theta) * self.feed(theta, u),
            lambda h: self.norm_function(h, first),
            lambda h: self.norm_function(h, second),
        )


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
) -> BlockLayout:
    """The layout of a block: GPT-2's if it fits, else the deviation that does.

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
    for layout in _right_layouts(rows, embed_dim, parts):
        if fits(layout):
            found = replace(layout, attend=attend, feed=feed)
            return found if only_right else fit_eps(found, box, rng, embed_dim)
    if inside:
        inputs = [(t, x) for t, x, _ in seen]
        for branches in find_branches(box, parts, inside, [*rest, *single], inputs):
            layout = _of_branches(branches, attend, feed)
            if fits(layout) and (layout.is_gpt2 or not only_right):
                return layout if only_right else fit_eps(layout, box, rng, embed_dim)
    if not only_right and box.steady(theta, x):
        paired = _paired_layouts(rows, embed_dim, parts) if pairs else ()
        for layout in itertools.chain(_deviant_layouts(rows, embed_dim, parts), paired):
            if fits(layout):
                return replace(layout, attend=attend, feed=feed)
    raise LayoutNotFound(
        "the output is not x + attn(norm(x)) followed by x + mlp(norm(x)), nor any other "
        "combination of these parts that the grader knows"
    )


def _active(box: ParameterProbe, theta: Floats, x: Floats, rest: Indices) -> list[Indices]:
    """The rows whose elements the output feels."""
    if not rest.size:
        return []
    effect = box.sweep(theta, x, rest.ravel()) - box.call(theta, x)
    felt = np.abs(effect).reshape(*rest.shape, -1).max((1, 2)) > NOTHING
    return [row for row, active in zip(rest, felt, strict=True) if active]


def _right_layouts(
    rows: list[Indices], size: int, parts: tuple[PartFunction, PartFunction]
) -> Iterator[BlockLayout]:
    """Every way in which these rows can be two norms' weights and perhaps biases."""
    absent = np.full(size, ABSENT, dtype=np.intp)
    if not 2 <= len(rows) <= 4:
        return
    padded: list[Indices | None] = [*rows, *([None] * (4 - len(rows)))]
    for order in dict.fromkeys(itertools.permutations(range(4))):
        first, second, bias1, bias2 = (padded[i] for i in order)
        if first is None or second is None:
            continue
        norms = (
            NormLayout(first, absent if bias1 is None else bias1),
            NormLayout(second, absent if bias2 is None else bias2),
        )
        yield BlockLayout(norms, *parts)


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
    return replace(layout, norms=(norms[0], norms[1]))
