"""What the searches ask of a submission, and small tools that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ABSENT = -1  # in a layout: there is no such parameter, its value is zero

# Relative sizes. A softmax or norm computed in float32 leaves noise of 1e-7 in the answers; a
# true effect is of the order of 1, since probing values stay away from zero.
NOTHING = 1e-5
SAME = 1e-3

# Two outputs are equal. Right submissions that compute a softmax, a norm or a scale in float32
# stay below 1e-6; the faintest wrong one is above 1e-4 in some regime. See
# tests/benchmarks/margins.py.
CLOSE = 1e-5


# A module inside a model, as a function of the model's parameters and the module's input.
PartFunction = Callable[[Floats, Floats], Floats]


class LayoutNotFound(Exception):
    """The answers are not those of any layout of the part. The message says where they stop."""


# Sizes of weights and inputs under which what was found has to hold.
REGIMES = ((1.0, 1.5), (0.8, 1.0), (1.5, 3.0))


class ParameterProbe(Protocol):
    """A function of parameters and inputs, (B, T, C) -> (B, T, C), that answers questions.

    indices: the elements of the flat parameter vector that belong to it.
    """

    indices: Indices

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        """A parameter vector whose trained values are random and away from zero."""

    def call(self, theta: Floats, x: Floats) -> Floats:
        """The output for parameters theta."""

    def steady(self, theta: Floats, x: Floats) -> bool:
        """Whether the output is the same when chance and the calls before are others."""

    def sweep(self, theta: Floats, x: Floats, indices: Indices, step: float = 1.0) -> Floats:
        """Outputs (n, B, T, C) with one element of theta after another raised by `step`."""


def away_from_zero(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
    """Random values of either sign with magnitudes from 0.4 to 1."""
    return rng.uniform(0.4, 1.0, shape) * rng.choice([-1.0, 1.0], shape)


def groups(vectors: Floats) -> list[Indices]:
    """Positions of rows that are equal to within SAME of the largest value, group by group."""
    tolerance = SAME * np.abs(vectors).max(initial=0.0)
    remaining = np.arange(len(vectors))
    found = []
    while remaining.size:
        distance = np.abs(vectors[remaining] - vectors[remaining[0]]).max(-1)
        found.append(remaining[distance <= tolerance])
        remaining = remaining[distance > tolerance]
    return found


def difference(computed: Floats, wanted: Floats) -> float:
    """The largest difference relative to the largest value; infinite if there is a NaN."""
    if computed.shape != wanted.shape:
        return float("inf")
    largest = max(float(np.abs(wanted).max(initial=0.0)), NOTHING)
    found = float(np.abs(computed - wanted).max(initial=0.0)) / largest
    return found if np.isfinite(found) else float("inf")


def lookup(theta: Floats, indices: Indices) -> Floats:
    """The values at these indices; zero where ABSENT."""
    return np.where(indices == ABSENT, 0.0, theta[indices])


def total(theta: Floats, indices: Indices) -> Floats:
    """The sum of biases at indices (C,), or of several for each channel at (k, C)."""
    return np.atleast_2d(lookup(theta, indices)).sum(0)


def by_channel(channels: Indices, elements: Indices, size: int) -> Indices:
    """Elements that each shift one channel, several perhaps the same: indices for `total`."""
    rows: list[Indices] = [np.full(size, ABSENT, dtype=np.intp)]
    for channel, element in zip(channels, elements, strict=True):
        if all(row[channel] != ABSENT for row in rows):
            rows.append(np.full(size, ABSENT, dtype=np.intp))
        row = next(row for row in rows if row[channel] == ABSENT)
        row[channel] = element
    return np.array(rows)


def moved(indices: Indices, places: Indices) -> Indices:
    """Indices into a part's parameters as indices into those of the whole, given its places."""
    return np.where(indices == ABSENT, ABSENT, places[indices])


def in_order(members: Indices, places: Indices, size: int, what: str) -> Indices:
    """`members` sorted by their places 0 … size-1, each taken once. Raises LayoutNotFound."""
    if not np.array_equal(np.sort(places), np.arange(size)):
        raise LayoutNotFound(f"{what}: {len(places)} weights where {size} are needed")
    return members[np.argsort(places)]


def remember(function: PartFunction) -> PartFunction:
    """The function with its answers kept: many layouts ask a part the same."""
    known: dict[tuple[bytes, bytes], Floats] = {}

    def remembered(theta: Floats, x: Floats) -> Floats:
        key = theta.tobytes(), x.tobytes()
        if key not in known:
            known[key] = function(theta, x)
        return known[key]

    return remembered
