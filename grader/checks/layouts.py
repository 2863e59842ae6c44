"""The layouts of a submission's classes, searched for when a check first asks for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from grader.checks import computed, matching
from grader.checks.api import NotRun
from grader.checks.models import CLASSES, Models, Size, block_size_of, own_parts
from grader.oracle import model as oracle
from grader.oracle.layouts import (
    AttentionLayout,
    BlockLayout,
    Misfit,
    MlpLayout,
    ModelLayout,
    ModelSizes,
    NormLayout,
    branch_ends,
    find_attention,
    find_block,
    find_mlp,
    find_model,
    fit_eps,
    inline_block,
)
from grader.oracle.layouts.box import CLOSE, Indices, PartFunction, difference
from grader.remote import CandidateError, Module, View

_Found = TypeVar("_Found", AttentionLayout, MlpLayout, BlockLayout, ModelLayout)
_OF_MODEL = ("vocab_size", "embed_dim", "num_layers", "block_size")


class Layouts:
    """What is known of where a submission's weights are. Each search is made once."""

    def __init__(self, models: Models, seed: int) -> None:
        self.models = models
        self.seed = seed
        self._known: dict[tuple[str, str], Any] = {}
        self._ends: dict[str, dict[str, Indices]] = {}
        self._searches = 0

    @property
    def judged_by(self) -> dict[str, str]:
        """For each part, whether it was shown equal to the oracle under a layout that was found."""
        judged = {}
        for name in CLASSES:
            found = [v for (kind, _), v in self._known.items() if kind == name]
            if found:
                misfit = any(isinstance(v, Misfit) for v in found)
                judged[name] = "properties" if misfit else "equality"
        return judged

    def attention(self, size: Size) -> AttentionLayout:
        """The layout of CausalSelfAttention at this size. Raises Misfit."""

        def find(narrow: bool) -> AttentionLayout:
            module = self.models.weighed("CausalSelfAttention", size)
            return _of_trained(
                module, lambda box: find_attention(box, size["embed_dim"], self.rng())
            )

        return self._find("CausalSelfAttention", size, find)

    def mlp(self, size: Size) -> MlpLayout:
        """The layout of MLP at this size. Raises Misfit."""

        def find(narrow: bool) -> MlpLayout:
            module = self.models.weighed("MLP", size)
            return _of_trained(module, lambda box: find_mlp(box, size["embed_dim"], self.rng()))

        return self._find("MLP", size, find)

    def block(self, size: Size) -> BlockLayout:
        """The layout of TransformerBlock over its own attention and MLP. Raises Misfit."""

        def find(narrow: bool) -> BlockLayout:
            module = self.models.weighed("TransformerBlock", size)
            return self._find_block(module, size, pairs=not narrow)

        return self._find("TransformerBlock", size, find)

    def model(self, size: Size) -> ModelLayout:
        """The layout of GPT2 over its own blocks. Raises Misfit."""

        def find(narrow: bool) -> ModelLayout:
            return self._find_model(self.models.weighed("GPT2", size), size, only_right=narrow)

        return self._find("GPT2", size, find)

    def right_model(self, size: Size) -> ModelLayout:
        """The same, where it would take too long to look for bugs in it. Raises Misfit."""
        return self._find_model(self.models.weighed("GPT2", size), size, only_right=True)

    def branch_ends(self, module: Module, size: Size, path: str = "") -> dict[str, Indices]:
        """Parameters of a block that, at zero, silence its "attention" or its "mlp" branch."""
        own = own_parts(module, path)
        if own is not None:
            return {"attention": module.below(own[0]), "mlp": module.below(own[1])}
        ends = self._inline_ends(size)
        places = module.below(path)
        if places.size != self.models.module("TransformerBlock", size).initial.size:
            raise NotRun("the blocks inside are not TransformerBlocks of the model's sizes")
        return {branch: places[indices] for branch, indices in ends.items()}

    def _inline_ends(self, size: Size) -> dict[str, Indices]:
        """The same for a block in one piece, found out once for each size."""
        if str(size) not in self._ends:
            rng = self.rng()
            box = self.models.module("TransformerBlock", size).at("")
            x = rng.normal(0.0, 1.0, (2, 2, size["embed_dim"]))
            self._ends[str(size)] = branch_ends(box, box.draw(rng), x)
        return self._ends[str(size)]

    def _find_block(self, module: Module, size: Size, pairs: bool) -> BlockLayout:
        own = own_parts(module, "")
        if own is None:
            return self._find_inline(module, size)
        attend, feed = (module.at(path) for path in own)
        layout = find_block(
            module.at(""),
            attend.call,
            feed.call,
            _rows(module, np.concatenate([attend.indices, feed.indices]), size["embed_dim"]),
            size["embed_dim"],
            self.rng(),
            pairs=pairs,
        )
        attention, mlp = self._proven_parts(size)
        if attention is None or mlp is None:
            return layout  # its parts are not GPT-2's, and are judged by themselves
        try:
            return replace(
                layout,
                attention=attention.inside(attend.indices),
                mlp=mlp.inside(feed.indices),
            )
        except IndexError:  # built with other options than on their own: see block.parts
            return layout

    def _find_inline(self, module: Module, size: Size) -> BlockLayout:
        """A block in one piece: read element by element, else by its own classes' shapes."""
        try:
            return inline_block(module.at(""), size["embed_dim"], self.rng())
        except Misfit as misfit:
            narrow = {"embed_dim": size["embed_dim"]}
            parts = [
                self.models.module("CausalSelfAttention", size),
                self.models.module("MLP", narrow),
            ]
            pool = [parameter.indices for parameter in module.parameters]
            shapes = [p.shape for part in parts for p in part.parameters]
            cut = len(parts[0].parameters)
            for chosen in matching.assignments(pool, shapes):
                attend, feed = (matching.places(pool, c) for c in (chosen[:cut], chosen[cut:]))
                with suppress(Misfit):
                    layout = find_block(
                        module.at(""),
                        _part(parts[0], attend),
                        _part(parts[1], feed),
                        _rows(module, np.concatenate([attend, feed]), size["embed_dim"]),
                        size["embed_dim"],
                        self.rng(),
                        only_right=True,
                    )
                    return self._with_own_gelu(module, size, layout, feed)
            return self._find_one_branch(module, size, misfit)

    def _find_one_branch(self, module: Module, size: Size, misfit: Misfit) -> BlockLayout:
        """A block that has only one of the two parts; else raises the misfit."""
        attentions, mlps = (module.own(kind) for kind in ("CausalSelfAttention", "MLP"))
        if len(attentions) + len(mlps) != 1:
            raise misfit
        box = module.at((*attentions, *mlps)[0].path)
        attend, feed = (box.call, _nothing) if attentions else (_nothing, box.call)
        rows = _rows(module, box.indices, size["embed_dim"])
        return find_block(module.at(""), attend, feed, rows, size["embed_dim"], self.rng())

    def _with_own_gelu(
        self, module: Module, size: Size, layout: BlockLayout, places: Indices
    ) -> BlockLayout:
        """A block in one piece may have another GELU than the class MLP: the one that fits best."""
        candidates = [layout]
        with suppress(Misfit):
            mlp = self.mlp({"embed_dim": size["embed_dim"]}).inside(places)
            for gelu in oracle.GELUS.values():
                feed = partial(_oracle_mlp, mlp, gelu)
                candidates.append(replace(layout, feed=feed))
        rng = self.rng()
        x = rng.normal(0.0, 1.0, (2, size["block_size"], size["embed_dim"]))
        theta = module.random(rng, 1.0)
        y = module.call(x, theta)
        best = min(candidates, key=lambda layout: difference(layout.compute(theta, x), y))
        return fit_eps(best, module.at(""), rng, size["embed_dim"])

    def _proven_parts(self, size: Size) -> tuple[AttentionLayout | None, MlpLayout | None]:
        """The layouts of CausalSelfAttention and MLP, as far as they equal the oracle's."""
        narrow = {"embed_dim": size["embed_dim"]}
        attention, mlp = None, None
        with suppress(Misfit, CandidateError):
            layout = self.attention(size)
            if self._equals(
                self.models.module("CausalSelfAttention", size),
                size,
                lambda theta, x: oracle.attention(x, layout.weights(theta)),
            ):
                attention = layout
        with suppress(Misfit, CandidateError):
            found = self.mlp(narrow)
            gelu = found.gelu
            if gelu is not None and self._equals(
                self.models.module("MLP", narrow),
                size,
                lambda theta, x: oracle.mlp(x, found.weights(theta), gelu),
            ):
                mlp = found
        if self.models.computed:  # layouts of different kinds of weights do not go together
            return None, None
        return attention, mlp

    def _equals(self, module: Module, size: Size, expected: PartFunction) -> bool:
        """Whether a part equals the oracle with moderate and with large weights, for any T."""
        rng = self.rng()
        for scale, time in ((0.5, size["block_size"]), (2.0, max(1, size["block_size"] - 1))):
            x = rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))
            theta = module.random(rng, scale)
            if difference(module.call(x, theta), expected(theta, x)) > CLOSE:
                return False
        return True

    def _find_model(self, module: Module, size: Size, only_right: bool) -> ModelLayout:
        paths = [part.path for part in module.own("TransformerBlock")]
        if not paths:
            return self._find_unrolled(module, size)
        inside = [module.below(path) for path in paths]
        blocks = [module.at(path).call for path in paths]
        try:
            return self._find_over(module, size, blocks, inside, only_right)
        except Misfit as misfit:
            with suppress(Misfit):  # they may be passed through from the last to the first
                return self._find_over(module, size, blocks[::-1], inside[::-1], only_right=True)
            raise misfit from None

    def _find_over(
        self,
        module: Module,
        size: Size,
        blocks: Sequence[PartFunction],
        inside: Sequence[Indices],
        only_right: bool,
    ) -> ModelLayout:
        """The layout of a GPT2 over these blocks, whose parameters lie `inside`."""
        taken = np.concatenate(inside)
        rest = []
        for parameter in module.parameters:
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
            self.rng(),
            only_right,
        )
        return replace(layout, inside=tuple(inside))

    def _find_unrolled(self, module: Module, size: Size) -> ModelLayout:
        """A GPT2 that has no TransformerBlocks but their weights: as if it had."""
        fresh = self.models.module("TransformerBlock", block_size_of(size))
        shapes = [parameter.shape for parameter in fresh.parameters]
        for pools in matching.layers(module, size["num_layers"]):
            for chosen in matching.assignments(pools[0], shapes):
                inside = [matching.places(pool, chosen) for pool in pools]
                blocks = [_part(fresh, at) for at in inside]
                with suppress(Misfit):
                    return self._find_over(module, size, blocks, inside, only_right=True)
        raise Misfit("no TransformerBlock is registered in the model")

    def _last_norm(self, size: Size, places: Indices) -> NormLayout | None:
        """The second norm of the last block of a GPT2, if it can be told."""
        try:
            norm = self.block(block_size_of(size)).norms[1]
            return None if self.models.computed else norm.inside(places)
        except (Misfit, IndexError, CandidateError, NotRun):
            return None

    def _find(self, name: str, size: Size, find: Callable[[bool], _Found]) -> _Found:
        """What `find` gives or raises as Misfit, found out once."""
        key = name, str(size)
        if key not in self._known:
            self._known[key] = self._search(name, size, find)
        known = self._known[key]
        if isinstance(known, Misfit):
            raise known.with_traceback(None)  # or it would grow with every raise
        found: _Found = known
        return found

    def _search(self, name: str, size: Size, find: Callable[[bool], _Found]) -> _Found | Misfit:
        """A search among the parameters, and if need be among weights computed from them.

        find: is told whether to be narrow, and leave out deviations where they are many.
        """
        self.models.subject.start_clock()
        found = _go(find, True)
        if computed.sound(found):
            return found
        if name not in self.models.computed:
            self.models.computed.add(name)
            with suppress(CandidateError, NotRun):
                again = self._search_computed(name, size, find)
                better = computed.sound(again) or isinstance(found, Misfit)
                if better and not isinstance(again, Misfit) and self._holds(name, size, again):
                    return again
            self.models.computed.discard(name)
        # It may have been led astray by its random numbers.
        return _go(find, False) if isinstance(found, Misfit) else found

    def _search_computed(
        self, name: str, size: Size, find: Callable[[bool], _Found]
    ) -> _Found | Misfit:
        """The same among weights computed from the parameters, if there are any."""
        plain, weighed = self.models.module(name, size), self.models.weighed(name, size)
        if not computed.any_computed(plain, weighed, self.rng()):
            return Misfit("no weight is computed")
        found = _go(find, True)
        return _go(find, False) if isinstance(found, Misfit) else found

    def _holds(self, name: str, size: Size, layout: Any) -> bool:
        """Whether a layout of computed weights is that of the submission as it is."""
        plain, weighed = self.models.module(name, size), self.models.weighed(name, size)
        return computed.holds(plain, weighed, layout, size, self.rng())

    def rng(self) -> np.random.Generator:
        """A new generator for a search, given by the run's seed."""
        self._searches += 1
        return np.random.default_rng((self.seed, self._searches))


def _go(find: Callable[[bool], _Found], narrow: bool) -> _Found | Misfit:
    """What `find` gives, or why it gives nothing."""
    try:
        return find(narrow)
    except Misfit as misfit:
        return misfit


def _of_trained(module: Module, find: Callable[[View], _Found]) -> _Found:
    """What is found among all parameters, or else among those that are trained. Raises Misfit.

    Others may be constants, such as a mask.
    """
    box = module.at("")
    try:
        return find(box)
    except Misfit:
        trained = box.indices[module.trainable[box.indices]]
        if trained.size == box.indices.size:
            raise
        box.indices = trained
        return find(box)


def _part(fresh: Module, places: Indices) -> PartFunction:
    """A fresh part as a function of a larger model's parameters, its own being at `places`."""
    return lambda theta, x: fresh.call(x, theta[places])


def _nothing(theta: oracle.Floats, x: oracle.Floats) -> oracle.Floats:
    """What a part does that is not there."""
    return np.zeros_like(x)


def _oracle_mlp(
    layout: MlpLayout, gelu: oracle.Activation, theta: oracle.Floats, x: oracle.Floats
) -> oracle.Floats:
    return oracle.mlp(x, layout.weights(theta), gelu)


def _rows(module: Module, inside: Indices, size: int) -> Indices:
    """Rows of `size` elements of the parameters that are not `inside`."""
    rows = [np.zeros((0, size), dtype=np.intp)]
    for parameter in module.parameters:
        indices = parameter.indices
        if not np.isin(indices, inside).any() and indices.size % size == 0:
            rows.append(indices.reshape(-1, size))
    return np.concatenate(rows)
