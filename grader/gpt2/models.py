"""The models that checks and searches ask: the submission's classes, built at wanted sizes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np

from grader.check import NotRun
from grader.gpt2 import precision
from grader.gpt2.layouts.box import SAME, difference
from grader.gpt2.shares import shares
from grader.sandbox.client import CandidateError, LoadedSubmission, Module

CLASSES = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")
Size = dict[str, int]
_LONG = 64  # tokens; of sequences that are as long, one at a time shows enough


@dataclass
class Models:
    """Builds the submission's classes, by name or (where names are refused) by position.

    note: takes the id and the words of a remark; computed: classes whose weights are computed from
    parameters, and are asked for as such; joined: those of which layers that follow each other or
    are added count as one; spare: names of parameters that nothing uses, where some
    were found, by class and size.
    """

    subject: LoadedSubmission
    note: Callable[[str, str], None] = lambda id, message: None
    computed: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    spare: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)
    _positional: set[str] = field(default_factory=set)

    def module(self, name: str, size: Size, **options: Any) -> Module:
        """A model of class `name`, in the precision it takes, with what is known to be spare."""
        self.settle(name)
        module = self._built(name, size, **options)
        module.spare = self.spare.get((name, str(size)), frozenset())
        if module.shares is None:
            module.shares = {}
            if "weighed" in options:  # whose weights have no gradients
                return module
            with suppress(CandidateError):  # which whatever is asked next raises again
                module.shares = shares(module, size)
        return module

    def settle(self, name: str) -> None:
        """Find out, once, in which precision a class is to be asked."""
        if name in self._settled:
            return
        self._settled.add(name)
        inner = CLASSES[: CLASSES.index(name)] if name in ("TransformerBlock", "GPT2") else ()
        for part in inner:
            self.settle(part)
        insisting = any(self.subject.told.get(part) == "float32" for part in inner)
        told, remark = precision.found_out(self._built, name, insisting)
        self.subject.told[name] = told
        if remark:
            self.note(*remark)

    def _built(self, name: str, size: Size, **options: Any) -> Module:
        """The model. Falls back on arguments by position if names are refused."""
        build = {
            key: options.pop(key)
            for key in ("dtype", "convert", "seed", "weighed", "joined", "told")
            if key in options
        }
        arguments = {**size, **options}
        if name not in self._positional:
            try:
                return self.subject.build(name, kwargs=arguments, **build)
            except CandidateError as fault:
                if "unexpected keyword argument" not in fault.message:
                    raise self._explained(name, fault) from None
                self._positional.add(name)
        return self.subject.build(name, args=list(arguments.values()), **build)

    def weighed(self, name: str, size: Size) -> Module:
        """A model of class `name` whose parameters are the weights that a layout is about."""
        if name not in self.computed:
            return self.module(name, size)
        return self.module(name, size, weighed=example(size), joined=name in self.joined)

    def ways_to_see(self, name: str, size: Size) -> Generator[None, None, None]:
        """Once as the weights of class `name` are, and then, if it computes some from others, once
        with those in their place, and once where layers that go together count as one.
        """
        yield
        ways = (self.computed, self.joined)
        if any(name in way for way in ways):
            return
        try:
            for way in ways:
                way.add(name)
                weighed = self.weighed(name, size)
                if any("|" in parameter.name for parameter in weighed.parameters):
                    yield
        finally:
            for way in ways:
                way.discard(name)

    def same_as_fresh(self, module: Module, path: str, name: str, size: Size) -> bool:
        """Whether the part at `path` is what class `name` gives when built with this size."""
        return self.first_other(module, [path], name, size) is None

    def first_other(
        self, module: Module, paths: Sequence[str], name: str, size: Size
    ) -> str | None:
        """The first of these paths at which there is not what class `name` gives when built with
        this size; None if there is none.
        """
        fresh = self.module(name, size)
        places = [module.below(path) for path in paths]
        alike = list(takewhile(lambda each: each.size == fresh.initial.size, places))
        rng = np.random.default_rng(7)
        theta = module.random(rng, 0.5)
        time = size.get("block_size", 3)
        x = rng.normal(0.0, 1.0, (2 if time < _LONG else 1, time, size["embed_dim"]))
        if alike:
            inside = module.at_paths(x, theta, paths[: len(alike)])
            alone = fresh.at_points(x, np.array([theta[each] for each in alike]))
            for path, each, found, wanted in zip(paths, alike, inside, alone, strict=False):
                if difference(found, wanted) >= SAME:
                    module.lend(path, fresh)
                    if difference(found, fresh.call(x, theta[each])) >= SAME:
                        return path
        return paths[len(alike)] if len(alike) < len(paths) else None

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


def example(size: Size) -> np.ndarray:
    """An input as long as the class allows."""
    time = size.get("block_size", 4)
    if "vocab_size" in size:
        return np.zeros((2, time), dtype=np.int64)
    return np.random.default_rng(0).normal(0.0, 1.0, (2, time, size["embed_dim"]))


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
