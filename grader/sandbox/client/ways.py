"""Asks what a model gives in several ways of use, in one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.sandbox.client.faults import CandidateError
from grader.sandbox.client.module import Floats, Module
from grader.sandbox.client.worker import Values

_REMARK = 300  # characters


@dataclass(frozen=True)
class Way:
    """One way of using a model.

    inputs: called one after the other; the last output counts. of: "itself"; or an instance of its
    own ("fresh"); or one that has loaded what such a one "saved"; or its copy, by deepcopy
    ("copied") or "pickled", or ("beside") when the original's weights are others afterwards, or
    ("changed") its own. recording: of gradients, "off", "on" or "inference". laid: how the inputs
    lie in memory. weights: then the gradients of the sum of all outputs times these. cast:
    "bfloat16" or "autocast".
    """

    inputs: tuple[Values, ...]
    theta: Floats
    of: str = "itself"
    train: bool = False
    recording: str = "off"
    laid: str = "whole"
    weights: Values | None = None
    seed: int = 0
    cast: str = ""


@dataclass(frozen=True)
class Used:
    """What came of it.

    gradient: of all parameters, laid end to end; slopes: of the inputs, the same. remark: on what
    could not be copied, or not be loaded whole.
    """

    output: Values
    gradient: Values
    slopes: Values
    remark: str


@dataclass(frozen=True)
class Learnt:
    """A new instance as born, and after some steps.

    names: of its parameters before and after its first call. outside: how many tensors it learns
    that are no parameters. largest: of the gradients of each parameter. longest: the length of the
    longest axis of all tensors that it holds.
    """

    names: tuple[tuple[str, ...], tuple[str, ...]]
    outside: int
    longest: int
    born: Floats
    output: Values
    largest: Floats
    trained: Floats
    trained_output: Values


def use(module: Module, ways: Sequence[Way]) -> list[Used | CandidateError]:
    """What each way gives, or how it fails."""
    arrays: list[Values] = []
    places: dict[int, int] = {}

    def place(values: Values) -> int:
        if id(values) not in places:
            places[id(values)] = len(arrays)
            arrays.append(values)
        return places[id(values)]

    asked = [
        {
            **{key: getattr(way, key) for key in ("of", "train", "recording", "laid")},
            **{key: getattr(way, key) for key in ("seed", "cast")},
            "theta": place(way.theta),
            "inputs": [place(x) for x in way.inputs],
            "weights": None if way.weights is None else place(way.weights),
        }
        for way in ways
    ]
    header, values = module.ask("ways", arrays, ways=asked)
    told = header.get("ways")
    if not isinstance(told, list) or len(told) != len(ways):
        raise module.broken("not an answer for each way")
    found, rest = [], list(values)
    for way, entry in zip(ways, told, strict=True):
        found.append(_read(module, way, entry, rest))
    if rest:
        raise module.broken("more arrays than answers")
    return found


def _read(module: Module, way: Way, entry: Any, rest: list[Values]) -> Used | CandidateError:
    """The answer for one way, whose arrays are taken from `rest`."""
    if not isinstance(entry, dict):
        raise module.broken("an answer for a way")
    try:
        module.raise_reported(entry)
    except CandidateError as fault:
        return fault
    count = 1 if way.weights is None else 3
    remark = entry.get("remark")
    if entry.get("count") != count or len(rest) < count or not isinstance(remark, str):
        raise module.broken("the arrays of a way")
    output, *gradients = (rest.pop(0) for _ in range(count))
    if output.dtype.kind != "f":
        words = f"expected output of dtype {module.dtype}, found {output.dtype}"
        return CandidateError("fail", words, cause="wrong-dtype")
    gradient, slopes = gradients or (np.zeros(0), np.zeros(0))
    if gradients and (gradient.shape != way.theta.shape or gradient.dtype.kind != "f"):
        raise module.broken("the gradient of a way")
    return Used(output, gradient, slopes, remark[:_REMARK])


def learn(module: Module, x: Values, weights: Values, steps: Sequence[Values], seed: int) -> Learnt:
    """A new instance of the model as born, and after a step with each of `steps`."""
    header, values = module.ask("learn", [x, weights, *steps], seed=seed)
    outside = header.get("outside")
    listed = [header.get("born"), header.get("called")]
    longest = header.get("longest")
    if (
        not isinstance(longest, int)
        or not isinstance(outside, int)
        or not all(isinstance(each, list) for each in listed)
    ):
        raise module.broken("what was learnt")
    names = [tuple(str(name)[:_REMARK] for name in each or ()) for each in listed]
    if len(values) != 5 or any(values[number].ndim != 1 for number in (0, 2, 3)):
        raise module.broken("what was learnt")
    before, output, largest, after, trained_output = values
    if before.shape != after.shape or len(largest) != len(names[1]):
        raise module.broken("what was learnt")
    return Learnt(
        (names[0], names[1]), outside, longest, before, output, largest, after, trained_output
    )


def count(module: Module, widths: Sequence[int]) -> list[int]:
    """How many numbers the model's class would train, built with each of these as embed_dim."""
    header, values = module.ask("count", name=module.name, widths=list(widths))
    counts = header.get("counts")
    if values or not isinstance(counts, list) or len(counts) != len(widths):
        raise module.broken("not a count for each width")
    if not all(isinstance(each, int) for each in counts):
        raise module.broken("a count that is no number")
    return [int(each) for each in counts]
