"""The search for the layout of a GPT2: over blocks of its own, or with blocks written out in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from grader.check import NotRun
from grader.gpt2.layouts import (
    BlockLayout,
    LayoutNotFound,
    ModelLayout,
    ModelSizes,
    NormLayout,
    find_model,
)
from grader.gpt2.layouts.box import Floats, Indices, PartFunction
from grader.gpt2.models import Models, Size, block_size_of
from grader.gpt2.search import matching
from grader.gpt2.specification import GPT2, Specification
from grader.sandbox.client import CandidateError, Module

_OF_MODEL = ("vocab_size", "embed_dim", "num_layers", "block_size")


class ModelSearch:
    """Searches for layouts of GPT2. rng: gives a new generator; block: finds that of its blocks;
    asked: what the model is to be.
    """

    def __init__(
        self,
        models: Models,
        rng: Callable[[], np.random.Generator],
        block: Callable[[Size], BlockLayout],
        asked: Specification = GPT2,
    ) -> None:
        self._asked = asked
        self._models = models
        self._rng = rng
        self._block = block

    def find(self, module: Module, size: Size, only_right: bool, once: bool = False) -> ModelLayout:
        """The layout of a GPT2; only_right: no bugs are looked for; once: it is compared once.

        Raises LayoutNotFound.
        """
        paths = [part.path for part in module.own("TransformerBlock")]
        if not paths:
            return self._find_unrolled(module, size, once)
        inside = [module.below(path) for path in paths]
        blocks = [module.at(path).call for path in paths]

        def in_a_row(theta: Floats, x: Floats) -> Floats:
            return module.through(x, theta, paths)

        try:
            return self._find_over(
                module, size, blocks, inside, only_right, all_blocks=in_a_row, once=once
            )
        except LayoutNotFound as misfit:
            with suppress(LayoutNotFound):  # they may be passed through from the last to the first
                return self._find_over(module, size, blocks[::-1], inside[::-1], only_right=True)
            raise misfit from None

    def _find_over(
        self,
        module: Module,
        size: Size,
        blocks: Sequence[PartFunction],
        inside: Sequence[Indices],
        only_right: bool,
        in_order: bool = False,
        all_blocks: PartFunction | None = None,
        once: bool = False,
    ) -> ModelLayout:
        """The layout of a GPT2 over these blocks, whose parameters lie `inside`.

        all_blocks: the same one after the other; in_order: the rows of positions are, where many
        are the ways that blocks can be seen.
        """
        taken = np.concatenate(inside)
        rest = []
        for parameter in module.used:
            free = ~np.isin(parameter.indices, taken)
            if free.all():
                rest.append(parameter.indices)
            elif free.any():  # rows that are left of a table shared with the blocks
                rest.append(parameter.indices[free.reshape(len(free), -1).all(1)])
        layout = find_model(
            module.at(""),
            blocks,
            None if only_right else self._last_norm(size, inside[-1]),
            rest,
            ModelSizes(**{key: size[key] for key in _OF_MODEL}),
            self._rng(),
            only_right,
            in_order,
            all_blocks,
            self._asked,
            once,
        )
        return replace(layout, inside=tuple(inside))

    def _find_unrolled(self, module: Module, size: Size, once: bool) -> ModelLayout:
        """A GPT2 that has no TransformerBlocks but their weights: as if it had."""
        fresh = self._models.module("TransformerBlock", block_size_of(size))
        shapes = [parameter.shape for parameter in fresh.parameters]
        for pools in matching.layers(module, size["num_layers"]):
            ways = [
                [matching.places(pool, chosen) for pool in pools]
                for chosen in matching.assignments(pools[0], shapes)
            ]
            if len(pools[0]) == 1 and pools[0][0].size == fresh.initial.size:
                ways.append([pool[0].ravel() for pool in pools])  # all weights of a layer in a row
            for inside in ways:
                blocks = [matching.part_at(fresh, at) for at in inside]
                with suppress(LayoutNotFound):
                    return self._find_over(
                        module, size, blocks, inside, only_right=True, in_order=True, once=once
                    )
        raise LayoutNotFound("no TransformerBlock is registered in the model")

    def _last_norm(self, size: Size, places: Indices) -> NormLayout | None:
        """The second norm of the last block of a GPT2, if it can be told."""
        try:
            norm = self._block(block_size_of(size)).norms[-1]
            return None if self._models.computed else norm.inside(places)
        except (LayoutNotFound, IndexError, CandidateError, NotRun):
            return None
