"""Where a norm's weight and bias are, and how a block's parameters can be norms at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    Floats,
    Indices,
    ParameterProbe,
    lookup,
    moved,
)


@dataclass(frozen=True)
class NormLayout:
    """Places of a norm's weight and bias (C,) in the flat vector, and its eps."""

    weight: Indices
    bias: Indices
    eps: float = 1e-5
    eps_outside: bool = False

    def inside(self, places: Indices) -> NormLayout:
        """The same layout in a larger model, where the parameters lie at `places`."""
        return replace(self, weight=moved(self.weight, places), bias=moved(self.bias, places))

    def norm(self, theta: Floats) -> model.Norm:
        """The norm that these parameter values stand for."""
        weight = np.where(self.weight == ABSENT, 1.0, theta[self.weight])
        return model.Norm(weight, lookup(theta, self.bias), self.eps, self.eps_outside)


@dataclass(frozen=True)
class Norms:
    """Rows (C,) of a block's parameters that may be its norms' weights and biases.

    theta, x: with which the block can be asked what a row does.
    """

    box: ParameterProbe
    theta: Floats
    x: Floats
    rows: list[Indices]

    def layouts(self, count: int) -> Iterator[tuple[NormLayout, ...]]:
        """Every way in which they can be so many norms' weights and perhaps biases."""
        absent = np.full(self.x.shape[-1], ABSENT, dtype=np.intp)
        if count == 4:
            yield from self._four(absent)
            return
        if not 2 <= len(self.rows) <= 4:
            return
        padded: list[Indices | None] = [*self.rows, *([None] * (4 - len(self.rows)))]
        for order in dict.fromkeys(itertools.permutations(range(4))):
            first, second, bias1, bias2 = (padded[i] for i in order)
            if first is None or second is None:
                continue
            yield (
                NormLayout(first, absent if bias1 is None else bias1),
                NormLayout(second, absent if bias2 is None else bias2),
            )

    def _four(self, absent: Indices) -> Iterator[tuple[NormLayout, ...]]:
        """Norms before and behind two sublayers: at zero, those behind silence theirs."""
        if not 4 <= len(self.rows) <= 8:
            return
        last, rest = self._ends(self.theta, self.rows)
        quiet = _zeroed(self.theta, last)
        behind_first, rest = self._ends(quiet, rest)
        before_first = [row for row in rest if self._felt(quiet, row).any()]
        before_last = [row for row in rest if not self._felt(quiet, row).any()]
        groups = (before_first, behind_first, before_last, last)
        if any(not 1 <= len(group) <= 2 for group in groups):
            return
        ways = (
            [NormLayout(order[0], order[1] if len(order) > 1 else absent) for order in orders]
            for orders in map(itertools.permutations, groups)
        )
        yield from itertools.product(*ways)

    def _ends(self, theta: Floats, rows: list[Indices]) -> tuple[list[Indices], list[Indices]]:
        """Those that reach one channel of the output with each element, and the others."""
        reached = [int(self._felt(theta, row).sum()) for row in rows]
        ends = [row for row, count in zip(rows, reached, strict=True) if count == 1]
        return ends, [row for row, count in zip(rows, reached, strict=True) if count != 1]

    def _felt(self, theta: Floats, row: Indices) -> np.ndarray:
        """The channels that feel the first element of a row."""
        effect = self.box.sweep(theta, self.x, row[:1])[0] - self.box.call(theta, self.x)
        return np.asarray(np.abs(effect).max((0, 1)) > NOTHING)


def _zeroed(theta: Floats, rows: list[Indices]) -> Floats:
    changed = theta.copy()
    for row in rows:
        changed[row] = 0.0
    return changed
