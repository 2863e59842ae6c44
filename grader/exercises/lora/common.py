"""Adapters of a submission: made, found among its parameters, set to drawn values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.check import Failure
from grader.exercises.lora import client, oracle
from grader.exercises.lora.oracle import Adapter, Floats
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client import Module
from grader.sandbox.client.description import Parameter
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.function import call

LAYER, ADD, MERGE = "LoRALinear", "add_lora", "merge_lora"
CLOSE = 1e-9  # logits of float64 models; right ones differ by 1e-13


@dataclass(frozen=True)
class Pair:
    """The two parameters of an adapter, for a layer of shape (out_features, in_features)."""

    A: Parameter
    B: Parameter
    shape: tuple[int, int]
    rank: int

    def set(self, theta: Floats, adapter: Adapter) -> None:
        """Write an adapter into a flat vector of all parameters, as the two lie in it."""
        theta[self._laid(self.A, 0)] = adapter.A
        theta[self._laid(self.B, 1)] = adapter.B

    def _laid(self, parameter: Parameter, rank_axis: int) -> np.ndarray:
        indices = _plain(parameter)
        return indices if indices.shape[rank_axis] == self.rank else indices.T


def _plain(parameter: Parameter) -> np.ndarray:
    """Its indices, without the axes of length 1 that a convolution's weight has."""
    indices = parameter.indices
    return indices.squeeze() if indices.ndim > 2 else indices


def pair(
    found: Sequence[Parameter], shape: tuple[int, int], rank: int, of: str, alone: bool = True
) -> Pair:
    """The adapter that parameters make up, alone or with others. Raises Failure if none do."""
    rows, columns = shape
    chosen = []
    for wanted in (columns, rows):
        fits = [p for p in found if sorted(_plain(p).shape) == sorted((rank, wanted))]
        chosen += fits[:1]
    if (alone and len(found) != 2) or len(chosen) != 2:
        told = ", ".join(f"{p.name} {p.shape}" for p in found) or "none"
        raise Failure(
            f"expected two trained parameters in the adapter of {of} for rank {rank}, of "
            f"{rank} x {columns} and {rows} x {rank}, found {told}",
            cause=_cause_of(found, shape, rank),
        )
    return Pair(chosen[0], chosen[1], shape, rank)


def _cause_of(found: Sequence[Parameter], shape: tuple[int, int], rank: int) -> str:
    """The bug that wrong trained parameters point to."""
    if not found:
        return "lora-nothing-trained"
    small = {rank * shape[0], rank * shape[1]}
    beyond = [p for p in found if p.indices.size not in small]
    if any(p.indices.size == shape[0] * shape[1] for p in beyond):
        return "lora-base-trained"
    return "lora-bias-trained" if len(found) > 2 else ""


def drawn(rng: np.random.Generator, shape: tuple[int, int], rank: int, alpha: float) -> Adapter:
    """An adapter with drawn values."""
    return Adapter(rng.normal(size=(rank, shape[1])), rng.normal(size=(shape[0], rank)), alpha)


def trained(module: Module) -> list[Parameter]:
    """What of a module is trained."""
    return [parameter for parameter in module.parameters if parameter.trainable]


class Adapted:
    """A toy model of the grader's with the submission's adapters around its layers."""

    def __init__(self, evidence: Evidence, about: str, draw: int, tied: bool) -> None:
        """draw: seeds the weights, the tokens and the adapters."""
        self.evidence = evidence
        self.about = about
        self.draw = draw
        self.tied = tied
        self.rank, self.alpha = (2, 3.0) if draw % 2 else (3, 5.0)
        rng = np.random.default_rng(draw)
        self.toy = oracle.toy(rng, tied)
        self.idx = rng.integers(0, len(self.toy.embedding), (2, 4))
        self.adapters = {
            path: drawn(rng, (weight.shape[0], weight.shape[1]), self.rank, self.alpha)
            for path, weight in self.toy.layers().items()
        }
        self.model: RemoteRef = client.toy(evidence.subject, about, self.toy.arrays, tied)
        self._modes_kept = True

    def add(self, default: str = "float64") -> Module:
        """Let the submission put adapters around the layers. default: torch's dtype meanwhile."""
        given = {"rank": self.rank, "alpha": self.alpha}
        return self._change(ADD, given, default)

    def merge(self, default: str = "float64") -> Module:
        """Let the submission put plain layers back. default: torch's dtype meanwhile."""
        return self._change(MERGE, {}, default)

    def _change(self, name: str, given: Mapping[str, object], default: str) -> Module:
        called = call(self.evidence.subject, name, given, args=[self.model], dtype=default)
        self._modes_kept = called.train_mode_unchanged
        return self.now()

    def expect_modes_kept(self, name: str) -> None:
        """Fail unless the function left all modules in train or eval mode as they were."""
        if not self._modes_kept:
            raise Failure(
                f"after {name} some modules are no longer in train or eval mode as they were",
                cause="mode-not-kept",
            )

    def now(self) -> Module:
        """The model as it is."""
        return client.adapted(self.evidence.subject, self.about, self.model)

    def pairs(self, module: Module) -> dict[str, Pair]:
        """The adapter of each layer that has one. Raises Failure for another one."""
        found = {}
        for path, weight in self.toy.layers().items():
            own = [p for p in trained(module) if p.name.startswith(f"{path}.")]
            if own:
                found[path] = pair(own, (weight.shape[0], weight.shape[1]), self.rank, path)
        return found

    def set(self, module: Module, pairs: Mapping[str, Pair]) -> Floats:
        """The vector of all parameters with the drawn adapters in it."""
        theta = module.initial.copy()
        for path, one in pairs.items():
            one.set(theta, self.adapters[path])
        return theta

    def expected(self, paths: Sequence[str] = ()) -> Floats:
        """The logits with the drawn adapters around the layers at these paths."""
        return self.toy.logits(self.idx, {path: self.adapters[path] for path in paths})


def equal(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether outputs are the same but for rounding."""
    return found.shape == expected.shape and bool(np.abs(found - expected).max() < CLOSE)


def code(evidence: Evidence, rank: int, alpha: float, *lines: str) -> str:
    """Code that puts adapters around a small model, followed by these lines."""
    main = evidence.subject.submission.main
    return "\n".join(
        [
            "import torch",
            "from torch import nn",
            *(import_line(main, name) for name in (LAYER, ADD, MERGE)),
            "",
            "torch.manual_seed(0)",
            "torch.set_default_dtype(torch.float64)",
            "embed, head = nn.Embedding(13, 6), nn.Linear(6, 13, bias=False)",
            "inner = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 6, bias=False))",
            "model = nn.Sequential(embed, nn.LayerNorm(6), inner, head)",
            "idx = torch.arange(13).view(1, 13)",
            "before = model(idx).detach()",
            f"add_lora(model, rank={rank}, alpha={alpha})",
            *lines,
        ]
    )
