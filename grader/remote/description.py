"""What a worker says of a model: its parameters, and the modules inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.remote.worker import Values

Indices = NDArray[np.intp]


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


def parameters(listing: list[dict[str, Any]], values: list[Values]) -> list[Parameter]:
    """The parameters of a description, and their values. Raises what a wrong one makes."""
    found = []
    start = 0
    for entry, value in zip(listing, values, strict=True):
        name, trained = str(entry["name"])[:300], entry["trainable"] is True
        found.append(Parameter(name, value.shape, start, trained))
        start += value.size
    return found


def read_part(entry: dict[str, Any]) -> Part:
    """A module of a description. Raises what a wrong one makes."""
    kind = entry["kind"]
    return Part(
        str(entry["path"])[:300],
        int(entry["identity"]),
        None if kind is None else str(kind)[:100],
        str(entry["type"])[:100],
        tuple(str(name)[:300] for name in entry["parameters"]),
    )
