"""Submissions in NumPy: what the searches ask of a worker, answered without torch and processes.

A fake lays out a part's weights in some way, and computes with them: the oracle, or one of its
known bugs. All of its parameters are drawn and set by the searches, as a real one's are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.gpt2.evidence import Evidence
from grader.gpt2.oracle import Attention, Mlp
from grader.sandbox.client import CandidateError
from grader.sandbox.client.module import Module

Floats = NDArray[np.float64]
Shapes = dict[str, tuple[int, ...]]
Weights = Mapping[str, Floats]
_STEP = 1e-6
Compute = Callable[[Floats, Any], Floats]


@dataclass(frozen=True)
class Layout:
    """How a part keeps its weights.

    shapes: of its parameters by their names, for a size; read: the oracle's weights among them.
    """

    name: str
    shapes: Callable[[dict[str, int]], Shapes]
    read: Callable[[Weights, dict[str, int]], Any]

    def __str__(self) -> str:
        return self.name


class FakeSubject:
    """A submission of one class, as far as the searches ask it."""

    def __init__(self, name: str, layout: Layout, compute: Compute) -> None:
        self.told: dict[str, str] = {}
        self._name, self._layout, self._compute = name, layout, compute

    def build(
        self, name: str, args: Sequence[float] = (), kwargs: Any = None, **how: Any
    ) -> Module:
        """The class at a size. Raises CandidateError for another class."""
        if name != self._name or args:
            raise CandidateError("error", f"there is no class {name} that takes {args}")
        size = dict(kwargs)
        shapes = self._layout.shapes(size)

        def run(theta: Floats, x: Floats) -> Floats:
            return self._compute(x, self._layout.read(_split(theta, shapes), size))

        described = _described(shapes)
        born = np.concatenate([values.ravel() for values in described[1][1:]])
        answers = _Answers(run, born, shapes)
        return Module(name, answers.ask, _Nobody(), described, "float64")  # type: ignore[arg-type]  # stands for a Worker

    def start_clock(self, share: float = 1.0) -> None:
        """Nothing here is late."""


class _Nobody:
    """In place of a worker: bears all, and breaks loudly."""

    alive = True

    def expect_bearable(self, count: int, name: str) -> None:
        """Everything is."""

    def broken(self, what: str) -> Exception:
        """An answer of the fake's own does not fit."""
        return AssertionError(f"the fake's answer is wrong: {what}")


@dataclass(frozen=True)
class _Answers:
    run: Callable[[Floats, Floats], Floats]
    born: Floats  # the parameters as they are before any are set
    shapes: Shapes

    def ask(
        self, question: str, arrays: Sequence[Any], **header: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        if question == "call":
            theta, *inputs = arrays if header["theta"] else [self.born, *arrays]
            rows = np.atleast_2d(theta)
            return {}, [self.run(row, x) for row in rows for x in inputs]
        if question == "sweep":
            theta, x, indices = arrays
            outputs = []
            for index in indices:
                raised = theta.copy()
                raised[index] += header["step"]
                outputs.append(self.run(raised, x))
            return {}, [np.array(outputs)]
        if question == "gradient":
            return self._gradient(*arrays)
        raise AssertionError(f"a fake does not know {question}")

    def _gradient(
        self, theta: Floats, x: Floats, weights: Floats
    ) -> tuple[dict[str, Any], list[Any]]:
        of_theta = _slopes(lambda theta: float((self.run(theta, x) * weights).sum()), theta)
        of_x = _slopes(lambda x: float((self.run(theta, x) * weights).sum()), x)
        gradients = [*_split(of_theta, self.shapes).values(), of_x]
        return {"present": [True] * len(gradients)}, [self.run(theta, x), *gradients]


def _slopes(function: Callable[[Floats], float], at: Floats) -> Floats:
    """The slope of a function along each element, by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = _STEP
        found[place] = (function(at + step) - function(at - step)) / (2 * _STEP)
    return found


def _split(theta: Floats, shapes: Shapes) -> dict[str, Floats]:
    found, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name] = theta[start : start + size].reshape(shape)
        start += size
    return found


def _described(shapes: Shapes) -> tuple[dict[str, Any], list[Any]]:
    numbers = list(range(len(shapes)))
    module = {"path": "", "identity": 1, "kind": None, "type": "Fake", "parameters": numbers}
    told = {"parameters": [[name, True] for name in shapes], "modules": [module]}
    text = np.frombuffer(json.dumps(told).encode(), np.uint8)
    rng = np.random.default_rng(0)
    return {}, [text, *(rng.normal(0.0, 0.02, shape) for shape in shapes.values())]


def evidence(name: str, layout: Layout, compute: Compute, seed: int = 3) -> Evidence:
    """What the checks share, of such a submission."""
    return Evidence(FakeSubject(name, layout, compute), seed)  # type: ignore[arg-type]  # as a Subject


def _attention(size: dict[str, int], q: Floats, k: Floats, v: Floats, out: Floats) -> Attention:
    """q, k, v: (H, D, C); out: (C, H, D). No biases."""
    heads, width, channels = q.shape
    none = np.zeros((heads, width))
    return Attention(q, k, v, out, none, none, none, np.zeros(channels))


def _fused(order: str, turned: bool) -> Layout:
    """One matrix for three roles, in an order such as "qkv"; turned: (C, 3C), for x @ W."""

    def shapes(size: dict[str, int]) -> Shapes:
        c = size["embed_dim"]
        return {"c_attn": (c, 3 * c) if turned else (3 * c, c), "c_proj": (c, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        c, h = size["embed_dim"], size["num_heads"]
        rows = w["c_attn"].T if turned else w["c_attn"]
        role = dict(zip(order, rows.reshape(3, h, c // h, c), strict=True))
        out = w["c_proj"].T if turned else w["c_proj"]
        return _attention(size, role["q"], role["k"], role["v"], out.reshape(c, h, c // h))

    return Layout(f"fused_{order}{'_turned' if turned else ''}", shapes, read)


def _by_heads() -> Layout:
    """One matrix, (H, 3, D) along its rows: each head's query, key and value together."""

    def shapes(size: dict[str, int]) -> Shapes:
        c = size["embed_dim"]
        return {"qkv": (3 * c, c), "proj": (c, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        c, h = size["embed_dim"], size["num_heads"]
        role = w["qkv"].reshape(h, 3, c // h, c).swapaxes(0, 1)
        return _attention(size, *role, w["proj"].reshape(c, h, c // h))

    return Layout("by_heads", shapes, read)


def _separate(order: str) -> Layout:
    """A matrix for each role."""

    def shapes(size: dict[str, int]) -> Shapes:
        c = size["embed_dim"]
        return {**dict.fromkeys(order, (c, c)), "o": (c, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        c, h = size["embed_dim"], size["num_heads"]
        q, k, v = (w[role].reshape(h, c // h, c) for role in "qkv")
        return _attention(size, q, k, v, w["o"].reshape(c, h, c // h))

    return Layout(f"separate_{order}", shapes, read)


def _interleaved() -> Layout:
    """Heads as the fastest axis of each matrix's rows."""

    def shapes(size: dict[str, int]) -> Shapes:
        c = size["embed_dim"]
        return {**dict.fromkeys("qkv", (c, c)), "o": (c, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        c, h = size["embed_dim"], size["num_heads"]
        q, k, v = (w[role].reshape(c // h, h, c).swapaxes(0, 1) for role in "qkv")
        return _attention(size, q, k, v, w["o"].reshape(c, c // h, h).swapaxes(1, 2))

    return Layout("heads_fastest", shapes, read)


def _per_head() -> Layout:
    """Three matrices for each head."""

    def shapes(size: dict[str, int]) -> Shapes:
        c, h = size["embed_dim"], size["num_heads"]
        names = [f"heads.{n}.{role}" for n in range(h) for role in "kqv"]
        return {**dict.fromkeys(names, (c // h, c)), "proj": (c, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        c, h = size["embed_dim"], size["num_heads"]
        q, k, v = (np.stack([w[f"heads.{n}.{role}"] for n in range(h)]) for role in "qkv")
        return _attention(size, q, k, v, w["proj"].reshape(c, h, c // h))

    return Layout("per_head", shapes, read)


def _four_axes() -> Layout:
    """One weight (C, 3, H, D) for einsum, and (H, D, C) back."""

    def shapes(size: dict[str, int]) -> Shapes:
        c, h = size["embed_dim"], size["num_heads"]
        return {"w_in": (c, 3, h, c // h), "w_out": (h, c // h, c)}

    def read(w: Weights, size: dict[str, int]) -> Attention:
        q, k, v = np.moveaxis(w["w_in"], (1, 2, 3, 0), (0, 1, 2, 3))
        return _attention(size, q, k, v, np.moveaxis(w["w_out"], 2, 0))

    return Layout("four_axes", shapes, read)


ATTENTIONS = (
    _fused("qkv", False),
    _fused("vkq", False),
    _fused("kqv", True),
    _by_heads(),
    _separate("qkv"),
    _separate("vqk"),
    _interleaved(),
    _per_head(),
    _four_axes(),
)


def _mlp(turned: bool, biased: bool, factor: int = 4) -> Layout:
    def shapes(size: dict[str, int]) -> Shapes:
        c, m = size["embed_dim"], factor * size["embed_dim"]
        matrices = {"up": (c, m), "down": (m, c)} if turned else {"up": (m, c), "down": (c, m)}
        return {**matrices, **({"up_bias": (m,), "down_bias": (c,)} if biased else {})}

    def read(w: Weights, size: dict[str, int]) -> Mlp:
        c, m = size["embed_dim"], factor * size["embed_dim"]
        up, down = (w[name].T if turned else w[name] for name in ("up", "down"))
        return Mlp(up, w.get("up_bias", np.zeros(m)), down, w.get("down_bias", np.zeros(c)))

    words = f"{'turned' if turned else 'plain'}{'' if biased else '_without_biases'}"
    return Layout(words, shapes, read)


MLPS = (_mlp(False, True), _mlp(True, True), _mlp(False, False))
HALF_AS_WIDE = _mlp(False, True, 2)
