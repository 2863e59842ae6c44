"""What has been found out about one submission, kept for every check that needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from grader.checks import matching
from grader.checks.api import NotRun
from grader.checks.experiment import Case, Experiment
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
from grader.oracle.layouts.box import CLOSE, SAME, Indices, PartFunction, difference
from grader.remote import CandidateError, Module, Subject

CLASSES = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")
Size = dict[str, int]
_Found = TypeVar("_Found")
_OF_MODEL = ("vocab_size", "embed_dim", "num_layers", "block_size")


@dataclass
class Evidence:
    """A submission, what its layouts are, and what deserves a word without costing points."""

    subject: Subject
    seed: int
    policy: str = "from-scratch"
    advisories: dict[str, str] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict)
    _positional: set[str] = field(default_factory=set)
    _searches: int = 0

    def module(self, name: str, size: Size, **options: Any) -> Module:
        """A model of class `name`. Falls back on arguments by position if names are refused."""
        build = {key: options.pop(key) for key in ("dtype", "convert", "seed") if key in options}
        arguments = {**size, **options}
        if name not in self._positional:
            try:
                return self.subject.build(name, kwargs=arguments, **build)
            except CandidateError as fault:
                if "unexpected keyword argument" not in fault.message:
                    raise self._explained(name, fault) from None
                self._positional.add(name)
        return self.subject.build(name, args=list(arguments.values()), **build)

    def experiment(self, name: str, case: Case, **options: Any) -> Experiment:
        """A case on a model of class `name`."""
        return Experiment(
            self.module(name, case.size, **options), case, self.subject.submission.main
        )

    @property
    def judged_by(self) -> dict[str, str]:
        """For each part, whether it was shown equal to the oracle under a layout that was found."""
        judged = {}
        for name, kind in zip(CLASSES, ("attention", "mlp", "block", "model"), strict=True):
            found = [v for k, v in self._known.items() if k.startswith(f"{kind} ")]
            if found:
                misfit = any(isinstance(v, Misfit) for v in found)
                judged[name] = "properties" if misfit else "equality"
        return judged

    def advise(self, id: str, message: str) -> None:
        """Keep a remark that costs nothing."""
        self.advisories.setdefault(id, message)

    def attention(self, size: Size) -> AttentionLayout:
        """The layout of CausalSelfAttention at this size. Raises Misfit."""

        def find() -> AttentionLayout:
            module = self.module("CausalSelfAttention", size)
            return find_attention(module.at(""), size["embed_dim"], self.rng())

        return self._find(f"attention {size}", find)

    def mlp(self, size: Size) -> MlpLayout:
        """The layout of MLP at this size. Raises Misfit."""

        def find() -> MlpLayout:
            module = self.module("MLP", size)
            return find_mlp(module.at(""), size["embed_dim"], self.rng())

        return self._find(f"mlp {size}", find)

    def block(self, size: Size) -> BlockLayout:
        """The layout of TransformerBlock over its own attention and MLP. Raises Misfit."""

        def find() -> BlockLayout:
            return self._find_block(self.module("TransformerBlock", size), size)

        return self._find(f"block {size}", find)

    def model(self, size: Size) -> ModelLayout:
        """The layout of GPT2 over its own blocks. Raises Misfit."""

        def find() -> ModelLayout:
            return self._find_model(self.module("GPT2", size), size)

        return self._find(f"model {size}", find)

    def same_as_fresh(self, module: Module, path: str, name: str, size: Size) -> bool:
        """Whether the part at `path` is what class `name` gives when built with this size."""
        fresh = self.module(name, size)
        places = module.below(path)
        if places.size != fresh.initial.size:
            return False
        rng = self.rng()
        theta = module.random(rng, 0.5)
        x = rng.normal(0.0, 1.0, (2, size.get("block_size", 3), size["embed_dim"]))
        inside = module.call(x, theta, path=path)
        return difference(inside, fresh.call(x, theta[places])) < SAME

    def branch_ends(self, module: Module, size: Size, path: str = "") -> dict[str, Indices]:
        """Parameters of a block that, at zero, silence its "attention" or its "mlp" branch."""
        own = own_parts(module, path)
        if own is not None:
            return {"attention": module.below(own[0]), "mlp": module.below(own[1])}
        rng = self.rng()
        box = module.at(path)
        x = rng.normal(0.0, 1.0, (2, 2, size["embed_dim"]))
        return branch_ends(box, box.draw(rng), x)

    def _find_block(self, module: Module, size: Size) -> BlockLayout:
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
            parts = [self.module("CausalSelfAttention", size), self.module("MLP", narrow)]
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
            raise misfit

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
                self.module("CausalSelfAttention", size),
                size,
                lambda theta, x: oracle.attention(x, layout.weights(theta)),
            ):
                attention = layout
        with suppress(Misfit, CandidateError):
            found = self.mlp(narrow)
            gelu = found.gelu
            if gelu is not None and self._equals(
                self.module("MLP", narrow),
                size,
                lambda theta, x: oracle.mlp(x, found.weights(theta), gelu),
            ):
                mlp = found
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

    def _find_model(self, module: Module, size: Size) -> ModelLayout:
        paths = [part.path for part in module.own("TransformerBlock")]
        if not paths:
            return self._find_unrolled(module, size)
        inside = [module.below(path) for path in paths]
        return self._find_over(module, size, [module.at(path).call for path in paths], inside)

    def _find_over(
        self,
        module: Module,
        size: Size,
        blocks: Sequence[PartFunction],
        inside: Sequence[Indices],
        only_right: bool = False,
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
            self._last_norm(size, inside[-1]),
            rest,
            ModelSizes(**{key: size[key] for key in _OF_MODEL}),
            self.rng(),
            only_right,
        )
        return replace(layout, inside=tuple(inside))

    def _find_unrolled(self, module: Module, size: Size) -> ModelLayout:
        """A GPT2 that has no TransformerBlocks but their weights: as if it had."""
        fresh = self.module("TransformerBlock", block_size_of(size))
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
            return self.block(block_size_of(size)).norms[1].inside(places)
        except (Misfit, IndexError, CandidateError, NotRun):
            return None

    def _find(self, key: str, find: Callable[[], _Found]) -> _Found:
        """What `find` gives or raises as Misfit, found out once."""
        if key not in self._known:
            self._known[key] = _twice(find)
        known = self._known[key]
        if isinstance(known, Misfit):
            raise known
        found: _Found = known
        return found

    def _explained(self, name: str, fault: CandidateError) -> CandidateError | NotRun:
        """A class that waits for another one is not itself unwritten."""
        if fault.status != "todo":
            return fault
        for other in CLASSES[: CLASSES.index(name)]:
            if self._is_todo(other):
                return NotRun(f"cannot be checked until {other} is written")
        return fault

    def _is_todo(self, name: str) -> bool:
        size: Size = {"embed_dim": 4}
        if name != "MLP":
            size |= {"num_heads": 2, "block_size": 4}
        try:
            self.subject.build(name, kwargs=size).call(np.zeros((1, 1, 4)))
        except CandidateError as fault:
            return fault.status == "todo"
        return False

    def rng(self) -> np.random.Generator:
        """A new generator for a search, given by the run's seed."""
        self._searches += 1
        return np.random.default_rng((self.seed, self._searches))


def block_size_of(size: Size) -> Size:
    """The size of the blocks of a GPT2 of this size."""
    return {key: size[key] for key in ("embed_dim", "num_heads", "block_size")}


def own_parts(module: Module, path: str) -> tuple[str, str] | None:
    """Paths of the one attention and the one MLP of the submission inside a block, if so."""
    found = []
    for kind in ("CausalSelfAttention", "MLP"):
        paths = [part.path for part in module.own(kind)]
        inside = [p for p in paths if not path or p.startswith(f"{path}.")]
        if len(inside) != 1:
            return None
        found.append(inside[0])
    return found[0], found[1]


def _twice(find: Callable[[], _Found]) -> _Found | Misfit:
    """What `find` gives; a search that was led astray by its random numbers gets another go."""
    try:
        return find()
    except Misfit:
        try:
            return find()
        except Misfit as misfit:
            return misfit


def _part(fresh: Module, places: Indices) -> PartFunction:
    """A fresh part as a function of a larger model's parameters, its own being at `places`."""
    return lambda theta, x: fresh.call(x, theta[places])


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
