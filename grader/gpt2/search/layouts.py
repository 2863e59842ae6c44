"""The layouts of a submission's classes, searched for when a check first asks for one."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from grader.check import NotRun
from grader.gpt2.layouts import (
    AttentionLayout,
    BlockLayout,
    LayoutNotFound,
    MlpLayout,
    ModelLayout,
    branch_ends,
    find_attention,
    find_gained,
    find_mlp,
)
from grader.gpt2.layouts.box import Indices
from grader.gpt2.models import CLASSES, Models, Size, own_parts
from grader.gpt2.search import computed
from grader.gpt2.search.block_search import BlockSearch
from grader.gpt2.search.model_search import ModelSearch
from grader.gpt2.spare import find_spare
from grader.gpt2.specification import GPT2, Specification
from grader.sandbox.client import CandidateError, Module, View

_NARROW = 6  # channels up to which a search takes a second or two
_MOST_PATIENCE = 4.0
_Found = TypeVar("_Found", AttentionLayout, MlpLayout, BlockLayout, ModelLayout)


class Layouts:
    """What is known of where a submission's weights are. Each search is made once."""

    def __init__(self, models: Models, seed: int, asked: Specification = GPT2) -> None:
        self.models = models
        self.asked = asked
        self.seed = seed
        self._known: dict[tuple[str, str], Any] = {}
        self._ends: dict[str, dict[str, Indices]] = {}
        self._scope = ""  # what is being searched
        self._drawn: Counter[str] = Counter()
        self._blocks = BlockSearch(models, self.rng, self.attention, self.mlp, asked)
        self._assemblies = ModelSearch(models, self.rng, self.block, asked)

    @property
    def judged_by(self) -> dict[str, str]:
        """For each part, whether it was shown equal to the oracle under a layout that was found."""
        judged = {}
        for name in CLASSES:
            found = [v for (kind, _), v in self._known.items() if kind == name]
            if found:
                misfit = any(isinstance(v, LayoutNotFound) for v in found)
                judged[name] = "properties" if misfit else "equality"
        return judged

    def attention(self, size: Size) -> AttentionLayout:
        """The layout of CausalSelfAttention at this size. Raises LayoutNotFound."""

        def find(narrow: bool) -> AttentionLayout:
            module = self.models.weighed("CausalSelfAttention", size)
            channels = size["embed_dim"]
            try:
                return _of_trained(
                    module, lambda box: find_attention(box, channels, self.rng(), self.asked)
                )
            except LayoutNotFound as misfit:
                with suppress(LayoutNotFound):
                    small = [p.indices.ravel() for p in module.used if p.indices.size <= channels]
                    return find_gained(module.at(""), small, channels, self.rng(), self.asked)
                raise misfit from None

        return self._find("CausalSelfAttention", size, find)

    def mlp(self, size: Size) -> MlpLayout:
        """The layout of MLP at this size. Raises LayoutNotFound."""

        def find(narrow: bool) -> MlpLayout:
            module = self.models.weighed("MLP", size)
            return _of_trained(
                module, lambda box: find_mlp(box, size["embed_dim"], self.rng(), self.asked)
            )

        return self._find("MLP", size, find)

    def block(self, size: Size) -> BlockLayout:
        """The layout of TransformerBlock over its own attention and MLP. Raises LayoutNotFound."""

        def find(narrow: bool) -> BlockLayout:
            module = self.models.weighed("TransformerBlock", size)
            return self._blocks.find(module, size, pairs=not narrow)

        return self._find("TransformerBlock", size, find)

    def model(self, size: Size) -> ModelLayout:
        """The layout of GPT2 over its own blocks. Raises LayoutNotFound."""

        def find(narrow: bool) -> ModelLayout:
            return self._assemblies.find(self.models.weighed("GPT2", size), size, only_right=narrow)

        return self._find("GPT2", size, find)

    def right_with(self, name: str, size: Size, dropout_p: float) -> bool:
        """Whether what is right (else that is not asked) without dropout is so, too, with it."""
        searches: dict[str, Callable[[Size], Any]] = {
            "CausalSelfAttention": self.attention,
            "MLP": self.mlp,
            "TransformerBlock": self.block,
            "GPT2": self.model,
        }
        dropping = cast(Size, {"dropout_p": dropout_p})

        def right(wanted: Size) -> bool:
            try:
                return computed.sound(searches[name](wanted))
            except LayoutNotFound:
                return False

        return not right(size) or right(size | dropping)

    def right_model(self, size: Size) -> ModelLayout:
        """The same, where it would take too long to look for bugs in it: to be compared once more.

        Raises LayoutNotFound.
        """

        def find(narrow: bool) -> ModelLayout:
            module = self.models.weighed("GPT2", size)
            return self._assemblies.find(module, size, only_right=True, once=True)

        self.models.subject.start_clock()
        with self._about("right", size):
            try:
                return find(True)
            except LayoutNotFound:
                if not self.drop_spare("GPT2", size):
                    raise
            return find(True)

    def block_by_shapes(self, size: Size, heads: int | None = None) -> BlockLayout:
        """A right block in one piece that has the submission's own parts, with so many heads.

        At any size, for little is asked. Raises LayoutNotFound.
        """
        self.models.subject.start_clock()
        module = self.models.module("TransformerBlock", size)
        with self._about("shapes", size, heads):
            return self._blocks.by_shapes(module, size, heads)[0]

    def drop_spare(self, name: str, size: Size) -> bool:
        """Leave out of searches and counts what is registered and not used, if there is any.

        But for blocks (in a block: attention and MLP) that are not one too many: then it is a bug
        that nothing uses them.
        """
        key = name, str(size)
        if key not in self.models.spare:
            module = self.models.module(name, size)
            with self._about("spare", *key):
                spare = find_spare(module, size, self.rng())
            for kind, count in _needed(name, size).items():
                registered = [set(part.parameters) for part in module.own(kind)]
                if sum(not names <= spare for names in registered) != count:
                    spare = spare.difference(*registered)
            self.models.spare[key] = spare
        return bool(self.models.spare[key])

    def branch_ends(self, module: Module, size: Size, path: str = "") -> dict[str, Indices]:
        """Parameters of a block that, at zero, silence its "attention" or its "mlp" branch."""
        own = own_parts(module, path)
        if own is not None:
            return {"attention": module.below(own[0]), "mlp": module.below(own[1])}
        places = module.below(path)
        for options in ({}, {"dropout_p": 0.5}):  # there may be biases only where there is dropout
            block = self.models.module("TransformerBlock", size, **options)
            if places.size == block.initial.size:
                ends = self._inline_ends(block, size)
                return {branch: places[indices] for branch, indices in ends.items()}
        raise NotRun("the blocks inside are not TransformerBlocks of the model's sizes")

    def _inline_ends(self, block: Module, size: Size) -> dict[str, Indices]:
        """The same for a block in one piece, found out once for each size."""
        key = f"{size} {block.initial.size}"
        if key not in self._ends:
            with self._about("ends", key):
                rng = self.rng()
            box = block.at("")
            x = rng.normal(0.0, 1.0, (2, 2, size["embed_dim"]))
            self._ends[key] = branch_ends(box, box.draw(rng), x)
        return self._ends[key]

    def _find(self, name: str, size: Size, find: Callable[[bool], _Found]) -> _Found:
        """What `find` gives or raises as LayoutNotFound, found out once."""
        key = name, str(size)
        if key not in self._known:
            with self._about(*key):
                self._known[key] = self._search(name, size, find)
        known = self._known[key]
        if isinstance(known, LayoutNotFound):
            raise known.with_traceback(None)  # or it would grow with every raise
        found: _Found = known
        return found

    def _search(
        self, name: str, size: Size, find: Callable[[bool], _Found]
    ) -> _Found | LayoutNotFound:
        """A search among the parameters, and if need be among weights computed from them.

        find: is told whether to be narrow, and leave out deviations where they are many.
        """
        self.models.subject.start_clock(_share(size))
        found = _go(find, True)
        if not computed.sound(found) and self._uses_less(name, size):
            again = _go(find, True)
            found = found if isinstance(again, LayoutNotFound) else again
        if computed.sound(found):
            return found
        if name not in self.models.computed:
            weighed = self._search_computed(name, size, find, found)
            if weighed is not None:
                return weighed
        if not isinstance(found, LayoutNotFound):
            return found
        self.models.subject.start_clock(_share(size))
        return _go(find, False)  # it may have been led astray by its random numbers

    def _search_computed(
        self, name: str, size: Size, find: Callable[[bool], _Found], plain: _Found | LayoutNotFound
    ) -> _Found | None:
        """The same among weights that are computed from parameters, if that finds more.

        First what is right is looked for, then deviations, which are many.
        """
        ways: tuple[set[str], ...] = (self.models.computed, self.models.joined)
        tried = [(True, 1), (True, 2), (False, 1), (False, 2)]
        if not self._has_layers(name, size):
            tried = [(True, 1), (False, 1)]
        elif name in ("TransformerBlock", "GPT2"):  # which would take very long
            tried = tried[:-1]
        for narrow, count in tried:
            if not (narrow or isinstance(plain, LayoutNotFound)):
                return None
            for way in ways[:count]:
                way.add(name)
            with suppress(CandidateError, NotRun):
                again = self._found_computed(name, size, partial(find, narrow))
                better = computed.sound(again) or isinstance(plain, LayoutNotFound)
                if (
                    better
                    and not isinstance(again, LayoutNotFound)
                    and self._holds(name, size, again)
                ):
                    return again
            for way in ways:
                way.discard(name)
        return None

    def _has_layers(self, name: str, size: Size) -> bool:
        """Whether a class has layers of its own; a block over its own parts has none."""
        with suppress(CandidateError):
            return name != "TransformerBlock" or not own_parts(self.models.module(name, size), "")
        return False

    def _uses_less(self, name: str, size: Size) -> bool:
        """Whether some of the parameters are spare; not if the submission fails over that."""
        with suppress(CandidateError):
            return self.drop_spare(name, size)
        return False

    def _found_computed(
        self, name: str, size: Size, find: Callable[[], _Found]
    ) -> _Found | LayoutNotFound:
        """What is found among weights that are computed, if there are any."""
        plain, weighed = self.models.module(name, size), self.models.weighed(name, size)
        if not computed.any_computed(plain, weighed, self.rng()):
            return LayoutNotFound("no weight is computed")
        self.models.subject.start_clock()
        try:
            return find()
        except LayoutNotFound as misfit:
            return misfit

    def _holds(self, name: str, size: Size, layout: Any) -> bool:
        """Whether a layout of computed weights is that of the submission as it is."""
        plain, weighed = self.models.module(name, size), self.models.weighed(name, size)
        return computed.holds(plain, weighed, layout, size, self.rng())

    @contextmanager
    def _about(self, *what: object) -> Iterator[None]:
        """What is drawn meanwhile is drawn for this, whatever has been searched before."""
        before, self._scope = self._scope, repr(what)
        try:
            yield
        finally:
            self._scope = before

    def rng(self) -> np.random.Generator:
        """A new generator, given by the run's seed and by what is searched."""
        self._drawn[self._scope] += 1
        scope = zlib.crc32(self._scope.encode())
        return np.random.default_rng((self.seed, scope, self._drawn[self._scope]))


def _share(size: Size) -> float:
    """How many times as long as a check a search at this size may take.

    It asks for the elements of weights one by one, which are as many as the width squared.
    """
    return min(_MOST_PATIENCE, max(1.0, (size["embed_dim"] / _NARROW) ** 2))


def _go(find: Callable[[bool], _Found], narrow: bool) -> _Found | LayoutNotFound:
    """What `find` gives, or why it gives nothing."""
    try:
        return find(narrow)
    except LayoutNotFound as misfit:
        return misfit


def _needed(name: str, size: Size) -> dict[str, int]:
    """How many modules of each class a model of this class has."""
    if name == "GPT2":
        return {"TransformerBlock": size["num_layers"]}
    return {"CausalSelfAttention": 1, "MLP": 1} if name == "TransformerBlock" else {}


def _of_trained(module: Module, find: Callable[[View], _Found]) -> _Found:
    """What is found among all parameters, or else among those that are trained. Raises
    LayoutNotFound.

    Others may be constants, such as a mask.
    """
    box = module.at("")
    try:
        return find(box)
    except LayoutNotFound:
        trained = box.indices[module.trainable[box.indices]]
        if trained.size == box.indices.size:
            raise
        box.indices = trained
        return find(box)
