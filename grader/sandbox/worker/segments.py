"""Weights of affine segments: what layers make of one tensor before anything else uses it.

`x @ W + (x @ A) @ B` is one projection, of the weight `W + A @ B`, and a branch that is scaled
before it joins the stream is one whose last projection is. Here such layers are put together:
the effective weight, computed from parameters alone, is then what meets the data.

A constant goes into a weight where the result joins the stream, and where every layer that reads a
tensor reads it so many times smaller or larger. Times queries or keys alone it is a scale of the
scores, and times logits a scale of those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import _pytree as pytree

from grader.sandbox.worker.computed import Weighing

_ADD = {"add", "__add__", "__radd__", "__iadd__"}
_MULTIPLY = {"mul", "multiply", "__mul__", "__rmul__", "__imul__"}
_DIVIDE = {"div", "divide", "true_divide", "__truediv__", "__itruediv__"}
_MATMUL = {"matmul", "__matmul__"}
_ASK = {"__get__", "size", "dim", "numel", "is_floating_point"}  # of a tensor, not its values


@dataclass(frozen=True)
class Segment:
    """A tensor that is factor * (anchor @ weight + bias), and is yet to be computed so.

    single: how to compute `anchor @ weight + bias` in the submission's own way, if it is one layer.
    """

    anchor: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    factor: torch.Tensor | None = None
    single: Callable[[], torch.Tensor] | None = None


@dataclass(frozen=True)
class Lookup:
    """Rows of a table, plus what is added to each: a vector, or positions."""

    indices: torch.Tensor
    table: torch.Tensor
    added: torch.Tensor | None = None


@dataclass(frozen=True)
class Smaller:
    """Data times a number or learned numbers, of which layers are to make something."""

    data: torch.Tensor
    factor: float | torch.Tensor


class Joining(Weighing):
    """A Weighing whose weights are those of whole segments.

    inputs: whether a number that a layer's input is multiplied by goes into its weight.
    """

    def __init__(
        self,
        module: nn.Module,
        replace: dict[str, torch.Tensor] | None = None,
        inputs: bool = True,
    ) -> None:
        super().__init__(module, replace)
        self._inputs = inputs
        self._segments: dict[int, Segment | Lookup | Smaller] = {}
        self._settled: dict[tuple[int, bool], torch.Tensor] = {}
        self._tables: set[int] = set()
        self._read: dict[int, set[float]] = {}

    def is_uneven(self) -> bool:
        """Whether layers that read one tensor read it times different numbers."""
        return any(len(factors) > 1 for factors in self._read.values())

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        segment = self._segment(name, func, args, kwargs)
        if segment is not None:
            result = func(*args, **kwargs)
            self._segments[id(self.follow(result))] = segment
            return result
        if name in _ASK:
            told = func(*args, **kwargs)
            if not isinstance(told, torch.Tensor):
                return told
        args, kwargs = self.settled((args, kwargs), fold=name in _ADD)
        return super().__torch_function__(func, types, args, kwargs)

    def settled(self, given: Any, fold: bool = False) -> Any:
        """The same with segments computed; fold: with their factors in their weights."""

        def settle(item: Any) -> Any:
            segment = self._segments.get(id(item)) if isinstance(item, torch.Tensor) else None
            if segment is None:
                return item
            key = id(item), fold
            if key not in self._settled:
                self._settled[key] = self.follow(self._given(segment, fold))
            return self._settled[key]

        return pytree.tree_map(settle, given)

    def _given(self, segment: Segment | Lookup | Smaller, fold: bool) -> torch.Tensor:
        if isinstance(segment, Smaller):
            factor: Any = self._weight(segment.factor)
            return segment.data * factor
        if isinstance(segment, Segment):
            return self._computed(segment, fold)
        table, added = segment.table, segment.added
        if added is not None and added.dim() == 1:
            table, added = self._derived(torch.add, table, added), None
        rows = F.embedding(segment.indices, self._weight(table))
        return rows if added is None else rows + self._weight(added)

    def _computed(self, segment: Segment, fold: bool) -> torch.Tensor:
        if segment.factor is None:
            if segment.single is not None:
                return segment.single()
            weight, bias = segment.weight, segment.bias
        elif fold:
            weight = self._derived(torch.mul, segment.weight, segment.factor)
            bias = self._times(segment.bias, segment.factor)
        else:
            plain = self._computed(replace(segment, factor=None), fold)
            factor: torch.Tensor = self._weight(segment.factor)
            return plain * factor
        result: torch.Tensor = segment.anchor @ self._weight(weight)
        return result if bias is None else result + self._weight(bias)

    def _weight(self, item: Any) -> Any:
        """A part that is called by itself may have weights that are not those of the whole."""
        if self._replace is not None and isinstance(item, torch.Tensor):
            known = id(item) in self._sources
            return super()._weight(item) if known and self._name(item) in self._replace else item
        return super()._weight(item)

    def _derived(self, func: Callable[..., torch.Tensor], *items: Any) -> torch.Tensor:
        """What a function makes of weights, which is a weight of their sources."""
        result = func(*items)
        self._known.append(result)
        sources = sorted({s for item in items for s in self._sources.get(id(item), ())})
        if sources:
            self._sources[id(result)] = tuple(sources)
        return result

    def _segment(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Segment | Lookup | Smaller | None:
        """What the result of a function is, if that is a segment."""
        if not args or not isinstance(args[0], torch.Tensor):
            return None
        if name == "dropout" and kwargs.get("training") is False:
            return self._segments.get(id(args[0]))
        if name == "linear":
            return self._layer(func, args, kwargs)
        if name == "embedding" and kwargs.get("max_norm") is None:
            return self._lookup(args[0], (*args[1:], kwargs.get("weight"))[0])
        if kwargs or len(args) != 2:
            return None
        if name == "__getitem__":
            return self._lookup(args[1], args[0])
        if name in _MATMUL:
            return self._layer(func, args, kwargs)
        if name in _ADD:
            return self._sum(*args)
        if name in _MULTIPLY:
            return self._scaled(*args) or self._scaled(*args[::-1])
        return self._scaled(*args, divide=True) if name in _DIVIDE else None

    def _lookup(self, indices: Any, table: Any) -> Lookup | None:
        """Rows of a table that the data choose."""
        if id(indices) not in self._data or not self._is_weight(table, 2):
            return None
        if indices.is_floating_point() or id(table) not in self._sources:
            return None
        self._tables.add(id(table))
        return Lookup(indices, table)

    def _layer(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Segment | None:
        """A linear layer, or a product with a matrix, of data or of a segment."""
        linear = getattr(func, "__name__", "") == "linear"
        x, given, bias, *_ = (*args, kwargs.get("weight"), kwargs.get("bias"), None)[:4]
        if linear and len(args) == 2:
            bias = kwargs.get("bias")
        if not self._is_weight(given, 2) or id(x) not in self._data:
            return None
        weight = self._derived(torch.t, given) if linear else given
        bias = bias if linear else None
        inner = self._segments.get(id(x))
        if isinstance(inner, Smaller) and isinstance(inner.factor, torch.Tensor):
            rows = self._derived(torch.Tensor.reshape, inner.factor, (-1, 1))
            return Segment(inner.data, self._derived(torch.mul, weight, rows), bias)
        if isinstance(inner, Smaller) and id(given) not in self._tables:
            self._read.setdefault(id(inner.data), set()).add(float(inner.factor))
            smaller = self._derived(torch.mul, weight, weight.new_tensor(inner.factor))
            return Segment(inner.data, smaller, bias)
        if not isinstance(inner, Segment):
            self._read.setdefault(id(x), set()).add(1.0)
            x, (args, kwargs) = self.settled(x), self.settled((args, kwargs))
            return Segment(x, weight, bias, single=lambda: self._alone(func, args, kwargs))
        if inner.factor is not None and inner.factor.numel() > 1:
            return None
        joined = self._derived(torch.matmul, inner.weight, weight)
        passed = None if inner.bias is None else self._derived(torch.matmul, inner.bias, weight)
        outer = Segment(inner.anchor, joined, passed, inner.factor)
        return outer if bias is None else self._shifted(outer, bias)

    def _alone(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> torch.Tensor:
        args, kwargs = pytree.tree_map(self._weight, (args, kwargs))
        result: torch.Tensor = func(*args, **kwargs)
        return result

    def _is_weight(self, item: Any, dim: int) -> bool:
        return (
            isinstance(item, torch.Tensor)
            and item.is_floating_point()
            and item.dim() == dim
            and id(item) not in self._data
        )

    def _sum(self, one: Any, other: Any) -> Segment | Lookup | None:
        first, second = self._segments.get(id(one)), self._segments.get(id(other))
        if isinstance(first, Lookup) or isinstance(second, Lookup):
            return self._added(first, other) or self._added(second, one)
        if isinstance(first, Segment) and isinstance(second, Segment):
            alike = first.anchor is second.anchor and first.weight.shape == second.weight.shape
            return self._joined(first, second) if alike else None
        for segment, rest in ((first, other), (second, one)):
            if isinstance(segment, Segment) and self._is_weight(rest, 1):
                return self._shifted(segment, rest)
        return None

    def _added(self, lookup: Any, rest: Any) -> Lookup | None:
        """A lookup plus positions, or plus a vector."""
        if not isinstance(lookup, Lookup) or not isinstance(rest, torch.Tensor):
            return None
        if id(rest) not in self._sources or rest.shape[-1:] != lookup.table.shape[-1:]:
            return None
        if rest.dim() == 3 and rest.shape[0] != 1:
            return None
        if lookup.added is not None:
            rest = self._derived(torch.add, lookup.added, rest)
        return replace(lookup, added=rest)

    def _joined(self, first: Segment, second: Segment) -> Segment:
        """The sum of two. A factor that both have stays that of the sum."""
        kept = first.factor if second.factor is not None else None
        weights, biases = [], []
        for segment in (first, second):
            weight, bias = segment.weight, segment.bias
            if segment.factor is not None and segment.factor is not kept:
                factor = segment.factor
                if kept is not None:
                    factor = self._derived(torch.div, factor, kept)
                weight = self._derived(torch.mul, weight, factor)
                bias = self._times(bias, factor)
            weights.append(weight)
            biases += [] if bias is None else [bias]
        total = self._derived(torch.add, *biases) if len(biases) == 2 else None
        weight = self._derived(torch.add, *weights)
        return Segment(first.anchor, weight, total if len(biases) != 1 else biases[0], kept)

    def _shifted(self, segment: Segment, shift: torch.Tensor) -> Segment:
        """A segment plus a vector, which the factor is not to meet."""
        if segment.factor is not None:
            shift = self._derived(torch.div, shift, segment.factor)
        bias = shift if segment.bias is None else self._derived(torch.add, segment.bias, shift)
        return replace(segment, bias=bias, single=None)

    def _scaled(
        self, item: Any, factor: Any, divide: bool = False
    ) -> Segment | Lookup | Smaller | None:
        """A segment times (divide: by) a number, or a vector that is a weight."""
        segment = self._segments.get(id(item))
        if isinstance(segment, Lookup):
            return None if divide else self._scaled_lookup(segment, factor)
        if isinstance(factor, int | float) and not isinstance(segment, Segment):
            return self._smaller(item, segment, 1.0 / factor if divide else float(factor))
        if not isinstance(segment, Segment):
            return None if divide else self._gained(item, segment, factor)
        if isinstance(factor, int | float):
            factor = segment.weight.new_tensor(factor)
        elif not (self._is_weight(factor, 0) or self._is_weight(factor, 1)):
            return None
        if divide:
            factor = self._derived(torch.reciprocal, factor)
        if segment.factor is not None:
            factor = self._derived(torch.mul, segment.factor, factor)
        self._known.append(factor)
        return replace(segment, factor=factor)

    def _scaled_lookup(self, lookup: Lookup, factor: Any) -> Lookup | None:
        """A table that is born large and used a constant times smaller, or that is learnt so."""
        table, added = lookup.table, lookup.added
        if isinstance(factor, float):
            if not 0.0 < factor < 1.0:
                return None
            factor = table.new_tensor(factor)
        elif id(factor) not in self._sources or factor.shape not in ((), (1,), table.shape[1:]):
            return None
        added = self._times(added, factor)
        return Lookup(lookup.indices, self._derived(torch.mul, table, factor), added)

    def _gained(self, data: Any, before: Any, gain: Any) -> Smaller | None:
        """Data times learned numbers, one for all channels or one each."""
        if before is not None or id(data) not in self._data or id(gain) not in self._sources:
            return None
        fits = isinstance(gain, torch.Tensor) and gain.shape in ((), (1,), data.shape[-1:])
        return Smaller(data, gain) if fits and data.is_floating_point() else None

    def _smaller(self, data: Any, before: Any, factor: float) -> Smaller | None:
        """Data that layers are to read so many times smaller or larger."""
        if not self._inputs or before is not None or id(data) not in self._data:
            return None
        return Smaller(data, factor) if data.is_floating_point() and factor > 0.0 else None

    def _times(self, bias: torch.Tensor | None, factor: torch.Tensor) -> torch.Tensor | None:
        return None if bias is None else self._derived(torch.mul, bias, factor)
