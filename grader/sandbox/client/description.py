"""What a worker says of a model: its parameters, and the modules inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.sandbox import wire
from grader.sandbox.client.worker import Values
from grader.sandbox.wire import MAX_DESCRIPTION, MAX_MODULES

Indices = NDArray[np.intp]
_MAX_NAME = 1000


@dataclass(frozen=True)
class Parameter:
    """A parameter's name, shape, place in the flat vector of all, and whether it is trained."""

    name: str
    shape: tuple[int, ...]
    start: int
    trainable: bool

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the parameters that this is computed from: of itself, if it is not."""
        first, *others = self.name.split("|")
        return first, *(others[0].split("+") if others else ())

    @property
    def indices(self) -> Indices:
        """Where this parameter's elements lie in the flat vector, in its own shape."""
        size = int(np.prod(self.shape, dtype=np.intp))
        return np.arange(self.start, self.start + size, dtype=np.intp).reshape(self.shape)


@dataclass(frozen=True)
class Part:
    """A module inside a model: its path, the submitted class it is of (if any), its type."""

    path: str
    identity: int
    kind: str | None
    type: str
    parameters: tuple[str, ...]


def read(values: list[Values]) -> tuple[list[Parameter], list[Part], list[Values]]:
    """The parameters and modules of a description, and the parameters' values.

    Its first array is the text. Raises ValueError, TypeError, KeyError or OverflowError for a
    wrong one.
    """
    if not values or values[0].dtype != np.uint8 or values[0].size > MAX_DESCRIPTION:
        raise ValueError("no text of a bearable length")
    told = wire.parse(values[0].tobytes())
    if len(told["modules"]) > MAX_MODULES:
        raise ValueError("too many modules")
    found = _parameters(told["parameters"], values[1:])
    parts = [_part(entry, found) for entry in told["modules"]]
    if len({part.path for part in parts} | {""}) != len(parts):
        raise ValueError("no module for the model itself, or two of one path")
    return found, parts, values[1:]


def _parameters(listing: list[Any], values: list[Values]) -> list[Parameter]:
    found = []
    start = 0
    for (name, trained), value in zip(listing, values, strict=True):
        found.append(Parameter(str(name)[:_MAX_NAME], value.shape, start, trained is True))
        start += value.size
    return found


def _part(entry: dict[str, Any], known: list[Parameter]) -> Part:
    kind, numbers = entry["kind"], entry["parameters"]
    if not all(type(number) is int and 0 <= number < len(known) for number in numbers):
        raise ValueError("a module has parameters that are not the model's")
    return Part(
        str(entry["path"])[:_MAX_NAME],
        int(entry["identity"]),
        None if kind is None else str(kind)[:100],
        str(entry["type"])[:100],
        tuple(known[number].name for number in numbers),
    )
