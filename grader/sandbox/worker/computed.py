"""Weights that a model computes from its parameters, made into values that can be set.

A weight of a right GPT-2 may be worked out in the forward: normalised, the sum of two matrices,
one plus a parameter. What meets the data is then no parameter, but a tensor that depends on
parameters alone. Here such tensors are found, and replaced by given ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Weight:
    """A tensor that meets the data: its name (that of a parameter it comes from), its values."""

    name: str
    computed: bool
    trainable: bool
    values: torch.Tensor


class Weighing(TorchFunctionMode):
    """Follows tensors from parameters and from the input through one forward.

    weights: filled while `replace` is None; else each weight is replaced by the values of its name.
    """

    def __init__(self, module: nn.Module, replace: dict[str, torch.Tensor] | None = None) -> None:
        super().__init__()
        self.weights: dict[str, Weight] = {}
        self._replace = replace
        self._known: list[Any] = []  # keeps every followed tensor alive, so that ids stay its own
        self._data: set[int] = set()
        self._lookups: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # indices and table
        self._sources: dict[int, tuple[str, ...]] = {}
        self._names: dict[int, str] = {}
        self._uses: dict[tuple[str, ...], int] = {}
        self._parameters = dict(module.named_parameters())
        for name, parameter in self._parameters.items():
            self._sources[id(parameter)] = (name,)
            self._names[id(parameter)] = name

    def follow(self, x: torch.Tensor) -> torch.Tensor:
        """Note that this is data."""
        self._known.append(x)
        self._data.add(id(x))
        return x

    def is_uneven(self) -> bool:
        """Whether what it takes for weights cannot be all of them."""
        return False

    def settled(self, given: Any, fold: bool = False) -> Any:
        """The same with whatever was put off computed; fold: with constants in the weights."""
        return given

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        shrunk = self._shrunk_lookup(func, args)
        if shrunk is not None:
            return self.follow(shrunk)
        given = (args, kwargs or {})
        leaves = [item for item in pytree.tree_leaves(given) if isinstance(item, torch.Tensor)]
        sources = sorted({s for leaf in leaves for s in self._sources.get(id(leaf), ())})
        meets_data = any(id(leaf) in self._data for leaf in leaves)
        if meets_data and sources:
            given = pytree.tree_map(self._weight, given)
        result = func(*given[0], **given[1])
        if meets_data and func is F.embedding and isinstance(result, torch.Tensor):
            self._lookups[id(result)] = args[0], args[1] if len(args) > 1 else leaves[-1]
        if meets_data or sources:
            self._note(func, leaves, result, meets_data, tuple(sources))
        return result

    def _shrunk_lookup(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """What a lookup gives in a table that is born large and used a constant times smaller.

        The table with that constant is then the weight. None for anything else.
        """
        if getattr(func, "__name__", "") not in ("mul", "__mul__", "__rmul__") or len(args) != 2:
            return None
        for looked_up, factor in (args, args[::-1]):
            known = self._lookups.get(id(looked_up))
            if known is not None and isinstance(factor, float) and 0.0 < factor < 1.0:
                indices, table = known
                smaller = table * factor
                self._known.append(smaller)
                self._sources[id(smaller)] = self._sources[id(table)]
                return F.embedding(indices, self._weight(smaller))
        return None

    def _note(
        self,
        func: Callable[..., Any],
        leaves: list[torch.Tensor],
        result: Any,
        data: bool,
        sources: tuple[str, ...],
    ) -> None:
        name = getattr(func, "__name__", "")
        changed = leaves[:1] if name == "__setitem__" or name.endswith("_") else []
        for item in (*pytree.tree_leaves(result), *changed):
            if not isinstance(item, torch.Tensor) or id(item) in self._names:
                continue
            self._known.append(item)
            if data:
                self._data.add(id(item))
                self._sources.pop(id(item), None)
            else:
                self._sources[id(item)] = sources

    def _weight(self, item: Any) -> Any:
        """The item, or what stands in its place if it is a weight."""
        if not isinstance(item, torch.Tensor) or id(item) not in self._sources:
            return item
        name = self._name(item)
        if self._replace is None:
            if name not in self.weights:
                self.weights[name] = self._seen(name, item)
            return item
        stored = self._replace[name]
        if stored.shape != item.shape:  # a table of which a shorter sequence needs less
            stored = stored[tuple(slice(length) for length in item.shape)]
        return stored

    def _seen(self, name: str, item: torch.Tensor) -> Weight:
        sources = self._sources[id(item)]
        return Weight(
            name,
            item is not self._parameters.get(name),
            any(self._parameters[source].requires_grad for source in sources),
            item.detach().clone(),
        )

    def _name(self, item: torch.Tensor) -> str:
        """A parameter's own name, or that of its first source with a number."""
        if id(item) not in self._names:
            sources = self._sources[id(item)]
            self._uses[sources] = self._uses.get(sources, -1) + 1
            suffix = "+".join(sources[1:])
            self._names[id(item)] = f"{sources[0]}|{suffix}|{self._uses[sources]}"
        return self._names[id(item)]


Kind = Callable[..., Weighing]


def weigh(
    module: nn.Module, x: torch.Tensor, kind: Kind = Weighing
) -> tuple[list[Weight], Weighing]:
    """The weights that meet the data in one forward in eval mode, and what has followed it."""
    weighing = kind(module)
    weighing.follow(x)
    with torch.no_grad():
        with weighing:
            y = module.eval()(x)
        weighing.settled(y, fold=x.is_floating_point())
    return list(weighing.weights.values()), weighing


@contextmanager
def replaced(
    module: nn.Module, values: dict[str, torch.Tensor], kind: Kind = Weighing
) -> Iterator[Weighing]:
    """Within, a forward uses these values for the weights of these names."""
    weighing = kind(module, values)
    with weighing:
        yield weighing
