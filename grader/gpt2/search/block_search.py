"""The search for the layout of a block: over parts of its own, in one piece, or with one part."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from grader.gpt2 import oracle
from grader.gpt2.layouts import (
    AttentionLayout,
    BlockLayout,
    LayoutNotFound,
    MlpLayout,
    find_block,
    fit_eps,
    inline_block,
)
from grader.gpt2.layouts.box import ABSENT, CLOSE, Indices, PartFunction, difference
from grader.gpt2.models import Models, Size, own_parts
from grader.gpt2.search import matching
from grader.gpt2.specification import GPT2, Specification
from grader.sandbox.client import CandidateError, Module


class BlockSearch:
    """Searches for layouts of TransformerBlock.

    rng: gives a new generator; attention, mlp: find the layouts of the parts. They raise
    LayoutNotFound. asked: what the block is to be.
    """

    def __init__(
        self,
        models: Models,
        rng: Callable[[], np.random.Generator],
        attention: Callable[[Size], AttentionLayout],
        mlp: Callable[[Size], MlpLayout],
        asked: Specification = GPT2,
    ) -> None:
        self._asked = asked
        self._models = models
        self._rng = rng
        self._attention = attention
        self._mlp = mlp

    def find(self, module: Module, size: Size, pairs: bool) -> BlockLayout:
        """The layout of a block; pairs: two deviations at once, too. Raises LayoutNotFound."""
        own = own_parts(module, "")
        if own is None:
            return self._find_inline(module, size)
        try:
            layout = self._find_over(module, size, own, pairs)
            if layout.is_asked or layout.norm_cause or "norm-shared" in layout.causes:
                return layout  # a norm that is there and another one stands in no part of it
        except LayoutNotFound as misfit:
            with suppress(LayoutNotFound):
                return self._find_apart(module, size)
            raise misfit from None
        with suppress(
            LayoutNotFound
        ):  # its parts may do more inside it than on their own, such as a norm
            return self._find_apart(module, size)
        return layout

    def _find_apart(self, module: Module, size: Size) -> BlockLayout:
        """A block as if in one piece, each of whose weights has one place. Raises
        LayoutNotFound."""
        layout = inline_block(module.at(""), size["embed_dim"], self._rng(), self._asked)
        weights = np.concatenate(
            [part.ravel() for n in layout.norms for part in (n.weight, n.bias)]
        )
        weights = weights[weights != ABSENT]
        if np.unique(weights).size < weights.size:
            raise LayoutNotFound("the two norms share their weights")
        return layout

    def _find_over(
        self, module: Module, size: Size, own: tuple[str, str], pairs: bool
    ) -> BlockLayout:
        """The layout of a block over its own attention and MLP, as they are inside it."""
        attend, feed = (module.at(path) for path in own)
        inside = [module.below(path) for path in own]
        layout = find_block(
            module.at(""),
            attend.call,
            feed.call,
            _rows(module, np.concatenate(inside), size["embed_dim"]),
            size["embed_dim"],
            self._rng(),
            pairs=pairs,
            inside=inside,
            single=_single(module, np.concatenate(inside)),
            asked=self._asked,
        )
        attention, mlp = self._proven_parts(size)
        if attention is None or mlp is None:
            return layout  # its parts are not GPT-2's, and are judged by themselves
        try:
            return replace(
                layout,
                attention=attention.inside(module.below(own[0])),
                mlp=mlp.inside(module.below(own[1])),
            )
        except IndexError:  # built with other options than on their own: see block.parts
            return layout

    def _find_inline(self, module: Module, size: Size) -> BlockLayout:
        """A block in one piece: read element by element, else by its own classes' shapes."""
        try:
            return inline_block(module.at(""), size["embed_dim"], self._rng(), self._asked)
        except LayoutNotFound as misfit:
            with suppress(LayoutNotFound):
                layout, feed = self.by_shapes(module, size)
                return self._with_own_gelu(module, size, layout, feed)
            return self._find_one_branch(module, size, misfit)

    def by_shapes(
        self, module: Module, size: Size, heads: int | None = None
    ) -> tuple[BlockLayout, Indices]:
        """A right block in one piece whose weights have the shapes of the submission's own parts.

        And where those of the MLP are. heads: of the attention, if others than the block was told.
        Raises LayoutNotFound.
        """
        attending = size if heads is None else {**size, "num_heads": heads}
        parts = [
            self._models.module("CausalSelfAttention", attending),
            self._models.module("MLP", {"embed_dim": size["embed_dim"]}),
        ]
        pool = [parameter.indices for parameter in module.used]
        shapes = [p.shape for part in parts for p in part.parameters]
        cut = len(parts[0].parameters)
        for chosen in matching.assignments(pool, shapes):
            attend, feed = (matching.places(pool, c) for c in (chosen[:cut], chosen[cut:]))
            with suppress(LayoutNotFound):
                layout = find_block(
                    module.at(""),
                    matching.part_at(parts[0], attend),
                    matching.part_at(parts[1], feed),
                    _rows(module, np.concatenate([attend, feed]), size["embed_dim"]),
                    size["embed_dim"],
                    self._rng(),
                    only_right=True,
                    asked=self._asked,
                )
                return layout, feed
        raise LayoutNotFound(
            "no weights of the block have the shapes of its own attention's and MLP's"
        )

    def _find_one_branch(self, module: Module, size: Size, misfit: LayoutNotFound) -> BlockLayout:
        """A block that has only one of the two parts; else raises the misfit."""
        attentions, mlps = (module.own(kind) for kind in ("CausalSelfAttention", "MLP"))
        if len(attentions) + len(mlps) != 1:
            raise misfit
        box = module.at((*attentions, *mlps)[0].path)
        attend, feed = (box.call, _nothing) if attentions else (_nothing, box.call)
        rows = _rows(module, box.indices, size["embed_dim"])
        return find_block(
            module.at(""),
            attend,
            feed,
            rows,
            size["embed_dim"],
            self._rng(),
            asked=self._asked,
        )

    def _with_own_gelu(
        self, module: Module, size: Size, layout: BlockLayout, places: Indices
    ) -> BlockLayout:
        """A block in one piece may have another GELU than the class MLP: the one that fits best."""
        rng = self._rng()
        # Nearly: the wrong GELU takes part. But an eps may show more than which GELU it is.
        layout = fit_eps(layout, module.at(""), rng, size["embed_dim"])
        candidates = [layout]
        with suppress(LayoutNotFound):
            mlp = self._mlp({"embed_dim": size["embed_dim"]}).inside(places)
            for activation in oracle.ACTIVATIONS[self._asked.mlp]:
                feed = partial(_oracle_mlp, mlp, activation)
                candidates.append(replace(layout, feed=feed))
        x = rng.normal(0.0, 1.0, (2, size["block_size"], size["embed_dim"]))
        theta = module.random(rng, 1.0)
        y = module.call(x, theta)
        best = min(candidates, key=lambda layout: difference(layout.compute(theta, x), y))
        return fit_eps(best, module.at(""), rng, size["embed_dim"])

    def _proven_parts(self, size: Size) -> tuple[AttentionLayout | None, MlpLayout | None]:
        """The layouts of CausalSelfAttention and MLP, as far as they equal the oracle's."""
        narrow = {"embed_dim": size["embed_dim"]}
        attention, mlp = None, None
        with suppress(LayoutNotFound, CandidateError):
            layout = self._attention(size)
            if self._equals(
                self._models.module("CausalSelfAttention", size),
                size,
                layout.compute,
            ):
                attention = layout
        with suppress(LayoutNotFound, CandidateError):
            found = self._mlp(narrow)
            if found.activation is not None and self._equals(
                self._models.module("MLP", narrow),
                size,
                found.compute,
            ):
                mlp = found
        if self._models.computed:  # layouts of different kinds of weights do not go together
            return None, None
        return attention, mlp

    def _equals(self, module: Module, size: Size, expected: PartFunction) -> bool:
        """Whether a part equals the oracle with moderate and with large weights, for any T."""
        rng = self._rng()
        for scale, time in ((0.5, size["block_size"]), (2.0, max(1, size["block_size"] - 1))):
            x = rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))
            theta = module.random(rng, scale)
            if difference(module.call(x, theta), expected(theta, x)) > CLOSE:
                return False
        return True


def _single(module: Module, inside: Indices) -> list[Indices]:
    """Parameters of one element that are not `inside`."""
    alone = [p.indices.ravel() for p in module.used if p.indices.size == 1]
    return [indices for indices in alone if indices[0] not in inside]


def _nothing(theta: oracle.Floats, x: oracle.Floats) -> oracle.Floats:
    """What a part does that is not there."""
    return np.zeros_like(x)


def _oracle_mlp(
    layout: MlpLayout, activation: oracle.Activation, theta: oracle.Floats, x: oracle.Floats
) -> oracle.Floats:
    return oracle.mlp(x, layout.weights(theta), activation)


def _rows(module: Module, inside: Indices, size: int) -> Indices:
    """Rows of `size` elements of the parameters that are not `inside`."""
    rows = [np.zeros((0, size), dtype=np.intp)]
    for parameter in module.used:
        indices = parameter.indices
        if not np.isin(indices, inside).any() and indices.size % size == 0:
            rows.append(indices.reshape(-1, size))
    return np.concatenate(rows)
