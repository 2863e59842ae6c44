"""Parts that are written out in a larger model: found by the shapes of their parameters.

A proposal only, like every layout: what is found has to equal the model before it counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from grader.gpt2.layouts.box import Indices, PartFunction
from grader.sandbox.client import Module

MAX_ASSIGNMENTS = 60
_NUMBER = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


def assignments(
    pool: Sequence[Indices], shapes: Sequence[tuple[int, ...]]
) -> Iterator[tuple[int, ...]]:
    """Choices of one entry of the pool for each shape, none taken twice, the likely ones first."""

    def extend(chosen: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(chosen) == len(shapes):
            yield chosen
            return
        for number, indices in enumerate(pool):
            if number not in chosen and indices.shape == shapes[len(chosen)]:
                yield from extend((*chosen, number))

    # With enough of every shape there is no dead end; without, there are nothing but dead ends.
    enough = Counter(shapes) <= Counter(indices.shape for indices in pool)
    return islice(extend(()), MAX_ASSIGNMENTS) if enough else iter(())


def places(pool: Sequence[Indices], chosen: Sequence[int]) -> Indices:
    """Where the parameters of a part lie, in the part's own order."""
    if not chosen:
        return np.zeros(0, dtype=np.intp)
    return np.concatenate([pool[number].ravel() for number in chosen])


def part_at(fresh: Module, places: Indices) -> PartFunction:
    """A fresh part as a function of a larger model's parameters, its own being at `places`."""
    return lambda theta, x: fresh.call(x, theta[places])


def layers(module: Module, count: int) -> Iterator[list[list[Indices]]]:
    """Ways of seeing what belongs to each of `count` layers: entries of the same kind in order.

    A parameter with the layer's number in its name; one that has the layers on its first axis,
    whose number in the name may be its own; or one that has two rows for each layer there, one
    after the other or in two halves.
    """
    for pairs_apart, numbered in ((False, True), (True, True), (False, False)):
        pools: list[list[Indices]] = [[] for _ in range(count)]
        for parameter in module.used:
            numbers = [int(n) for n in _NUMBER.findall(parameter.name) if int(n) < count]
            indices = parameter.indices
            length = len(indices) if indices.ndim > 1 else 0
            for layer, pool in enumerate(pools):
                if numbers and (numbered or length != count):
                    pool += [indices] if numbers[0] == layer else []
                elif length == count:
                    pool.append(indices[layer])
                elif length in (2 * count, 2 * count + 1):
                    step = (layer, count + layer) if pairs_apart else (2 * layer, 2 * layer + 1)
                    pool += [indices[row] for row in step]
        if len({tuple(i.shape for i in pool) for pool in pools}) == 1 and pools[0]:
            yield pools
