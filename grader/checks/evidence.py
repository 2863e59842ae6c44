"""What has been found out about one submission, kept for every check that needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from grader.checks.api import NotRun
from grader.checks.experiment import Case, Experiment
from grader.oracle.layouts import (
    AttentionLayout,
    BlockLayout,
    Misfit,
    MlpLayout,
    ModelLayout,
    ModelSizes,
    find_attention,
    find_block,
    find_mlp,
    find_model,
    inline_block,
)
from grader.oracle.layouts.box import Indices, PartFunction
from grader.oracle.model import GELUS, attention, mlp
from grader.remote import CandidateError, Module, Subject

CLASSES = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")
Size = dict[str, int]
_Found = TypeVar("_Found")


@dataclass
class Evidence:
    """A submission, what its layouts are, and what deserves a word without costing points."""

    subject: Subject
    seed: int
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
                return self.subject.build(name, **build, **arguments)
            except CandidateError as fault:
                if "unexpected keyword argument" not in fault.message:
                    raise self._explained(name, fault) from None
                self._positional.add(name)
        return self.subject.build(name, *arguments.values(), **build)

    def experiment(self, name: str, case: Case, **options: Any) -> Experiment:
        """A case on a model of class `name`."""
        return Experiment(
            self.module(name, case.size, **options), case, self.subject.submission.main
        )

    def advise(self, id: str, message: str) -> None:
        """Keep a remark that costs nothing."""
        self.advisories.setdefault(id, message)

    def is_todo(self, name: str) -> bool:
        """Whether the class still is the stub."""
        size = {"embed_dim": 4} if name == "MLP" else {"embed_dim": 4, "num_heads": 2,
                                                      "block_size": 4}
        try:
            module = self.subject.build(name, **size)
            module.call(np.zeros((1, 1, 4)))
        except CandidateError as fault:
            return fault.status == "todo"
        return False

    def attention(self, size: Size) -> AttentionLayout:
        """The layout of CausalSelfAttention at this size. Raises Misfit."""

        def find() -> AttentionLayout:
            module = self.module("CausalSelfAttention", size)
            return find_attention(module.at(""), size["embed_dim"], self._rng())

        return self._find(f"attention {size}", find)

    def mlp(self, size: Size) -> MlpLayout:
        """The layout of MLP at this size. Raises Misfit."""

        def find() -> MlpLayout:
            module = self.module("MLP", size)
            return find_mlp(module.at(""), size["embed_dim"], self._rng())

        return self._find(f"mlp {size}", find)

    def block(self, size: Size) -> BlockLayout:
        """The layout of TransformerBlock over its own attention and MLP. Raises Misfit."""

        def find() -> BlockLayout:
            module = self.module("TransformerBlock", size)
            return self._find_block(module, size["embed_dim"])

        return self._find(f"block {size}", find)

    def model(self, size: Size) -> ModelLayout:
        """The layout of GPT2 over its own blocks. Raises Misfit."""

        def find() -> ModelLayout:
            module = self.module("GPT2", size)
            paths = [part.path for part in module.own("TransformerBlock")]
            inside = np.concatenate(
                [module.below(path) for path in paths] or [np.zeros(0, dtype=np.intp)]
            )
            rest = [p.indices for p in module.parameters
                    if not np.isin(p.indices, inside).any()]
            sizes = ModelSizes(size["vocab_size"], size["embed_dim"], size["block_size"])
            blocks = [_function(module, path) for path in paths]
            return find_model(module.at(""), blocks, None, rest, sizes, self._rng())

        return self._find(f"model {size}", find)

    def gelu(self, size: Size) -> str | None:
        """Which GELU the MLP uses, "exact" or "tanh"; None if neither."""
        layout = self.mlp(size)
        for name, function in GELUS.items():
            if np.abs(function(layout.read) - layout.given).max() < 1e-5:
                return name
        return None

    def _find_block(self, module: Module, size: int) -> BlockLayout:
        attentions, mlps = module.own("CausalSelfAttention"), module.own("MLP")
        if len(attentions) == 1 and len(mlps) == 1:
            attend, feed = attentions[0].path, mlps[0].path
            inside = np.concatenate([module.below(attend), module.below(feed)])
            return find_block(
                module.at(""),
                _function(module, attend),
                _function(module, feed),
                _rows(module, inside, size),
                size,
                self._rng(),
            )
        return inline_block(module.at(""), size, self._rng())

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
            if self.is_todo(other):
                return NotRun(f"cannot be checked until {other} is written")
        return fault

    def _rng(self) -> np.random.Generator:
        self._searches += 1
        return np.random.default_rng((self.seed, self._searches))


def _twice(find: Callable[[], _Found]) -> _Found | Misfit:
    """What `find` gives; a search that was led astray by its random numbers gets another go."""
    try:
        return find()
    except Misfit:
        try:
            return find()
        except Misfit as misfit:
            return misfit


def _function(module: Module, path: str) -> PartFunction:
    view = module.at(path)
    return view.call


def _rows(module: Module, inside: Indices, size: int) -> Indices:
    """Rows of `size` elements of the parameters that are not `inside`."""
    rows = [np.zeros((0, size), dtype=np.intp)]
    for parameter in module.parameters:
        indices = parameter.indices
        if not np.isin(indices, inside).any() and indices.size % size == 0:
            rows.append(indices.reshape(-1, size))
    return np.concatenate(rows)


__all__ = ["CLASSES", "Evidence", "Size", "attention", "mlp"]
