"""A layout that was found at small sizes, carried over to one that is too large to search at.

Where a weight stands is, in nearly every style, a sum: so much for the head, so much for the
channel, and so on, each a simple multiple of the sizes. Several small sizes tell which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, islice, product
from typing import Any

import numpy as np

from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.box import ABSENT, Indices
from grader.gpt2.layouts.mlp import MlpLayout

_FACTORS = range(1, 13)  # of a size, or of a product of two: three roles, four in an MLP
_BESIDE = range(13)  # what is added to it
_MOST = 64  # readings that are offered

Lengths = Mapping[str, int]  # of axes, by letter
Shapes = Sequence[tuple[int, ...]]  # of all parameters, in order
Places = Mapping[str, Indices]  # of weights in the flat vector of all, by name
Asked = Sequence[tuple[Lengths, Shapes]]  # the sizes that are asked for
_Values = tuple[int, ...]  # one for each of them


_Reading = Callable[[Indices, Shapes], "list[Indices] | None"]
# The letters of the axes of places: channels, heads, those of keys and values, the width of one,
# that of an MLP.
_ATTENTION = {
    **{"query": "HDC", "key": "GDC", "value": "GDC", "out": "CHD"},
    **{"query_bias": "HD", "key_bias": "GD", "value_bias": "GD", "out_bias": "C"},
}
_MLP = {
    **{"up": "WC", "down": "CW", "gate": "WC"},
    **{"up_bias": "W", "down_bias": "C", "gate_bias": "W"},
}


@dataclass(frozen=True)
class _Seen:
    """Places at one size. Heads, and units of one kind, are in the same order at every size."""

    lengths: Lengths
    shapes: Shapes
    places: Places


def _seen_attention(layout: AttentionLayout, shapes: Shapes) -> _Seen:
    """What a layout is in a module whose parameters have these shapes."""
    heads = np.lexsort((layout.query.min((1, 2)), layout.value.min((1, 2))))[:, None]
    if layout.asked.positions == "alibi":  # of which each has a slope of its own
        heads = np.arange(len(heads))[:, None]
    value = heads, layout.value.min(2)[heads[:, 0]].argsort(1)
    query = heads, layout.query.min(2)[heads[:, 0]].argsort(1)
    _, first = np.unique(layout.value[value].min((1, 2)), return_index=True)
    alone = np.sort(first)  # the first of the heads that share keys and values
    places = {
        "query": layout.query[query],
        "key": layout.key[query][alone],
        "query_bias": layout.query_bias[query],
        "value": layout.value[value][alone],
        "value_bias": layout.value_bias[value][alone],
        "out": layout.out[:, value[0], value[1]],
        "out_bias": layout.out_bias,
    }
    if layout.key_bias is not None:
        places["key_bias"] = layout.key_bias[query][alone]
    number, width, channels = layout.query.shape
    lengths = {"H": number, "G": len(alone), "D": width, "C": channels}
    return _Seen(lengths, shapes, places)


def _seen_mlp(layout: MlpLayout, shapes: Shapes) -> _Seen:
    """What a layout is in a module whose parameters have these shapes."""
    units = layout.up.min(1).argsort()
    places = {
        "up": layout.up[units],
        "up_bias": layout.up_bias[units],
        "down": layout.down[:, units],
        "down_bias": layout.down_bias,
    }
    if layout.gate is not None and layout.gate_bias is not None:
        places |= {"gate": layout.gate[units], "gate_bias": layout.gate_bias[units]}
    width, channels = layout.up.shape
    return _Seen({"W": width, "C": channels}, shapes, places)


def larger_attentions(
    small: Sequence[tuple[AttentionLayout, Shapes]],
    asked: Sequence[tuple[tuple[int, int], Shapes]],
) -> Iterator[tuple[AttentionLayout | None, ...]]:
    """What a layout can be at other sizes, given as (embed_dim, num_heads) and all shapes.

    small: layouts that were found, each with all shapes at its size. In every way in which it fits
    these; None where it leads out of the shapes.
    """
    if any(len(each.score_gains) + len(each.value_gains) for each, _ in small):
        return  # which parameters are factors at other sizes is not carried over
    seen = [_seen_attention(*each) for each in small]
    first = small[0][0]
    lengths = [
        ({"C": c, "H": h, "G": first.asked.key_heads(h), "D": c // h}, shapes)
        for (c, h), shapes in asked
    ]
    for ways in _carried(seen, _ATTENTION, lengths):
        yield tuple(
            replace(first, **_shared(places, each), scale=each["D"] ** -0.5, slopes=())
            if places
            else None
            for places, (each, _) in zip(ways, lengths, strict=True)
        )


def _shared(places: dict[str, Any], lengths: Lengths) -> dict[str, Any]:
    """The places with those of keys and values for each head, whoever shares them."""
    heads = np.arange(lengths["H"]) // -(-lengths["H"] // lengths["G"])
    shared = {"key", "value", "key_bias", "value_bias"}
    return {name: at[heads] if name in shared else at for name, at in places.items()}


def larger_mlps(
    small: Sequence[tuple[MlpLayout, Shapes]], asked: Sequence[tuple[int, Shapes]]
) -> Iterator[tuple[MlpLayout | None, ...]]:
    """What a layout can be at other sizes, given as embed_dim and all shapes, as above."""
    seen = [_seen_mlp(*each) for each in small]
    first = small[0][0]  # with the activation, which is the same at every size
    lengths = [({"C": c, "W": first.asked.width(c)}, shapes) for c, shapes in asked]
    for ways in _carried(seen, _MLP, lengths):
        yield tuple(replace(first, **places) if places else None for places in ways)


def _carried(
    seen: Sequence[_Seen], axes: Mapping[str, str], asked: Asked
) -> Iterator[list[dict[str, Any] | None]]:
    """The places at the sizes asked for, in every way in which they fit what was seen."""
    ways: list[list[list[Indices | None]]] = []
    axes = {name: letters for name, letters in axes.items() if name in seen[0].places}
    for name, letters in axes.items():
        arrays = [each.places[name] for each in seen]
        if any(array.ndim > len(letters) and len(array) > 1 for array in arrays):
            return  # several biases for one channel
        if all((array == ABSENT).all() for array in arrays):
            wanted = [tuple(lengths[letter] for letter in letters) for lengths, _ in asked]
            ways.append([[np.full(shape, ABSENT, dtype=np.intp) for shape in wanted]])
        elif any((array == ABSENT).any() for array in arrays):
            return
        else:
            ways.append(
                _enlarged(seen, name, letters, asked, _on_axes)
                or _enlarged(seen, name, letters, asked, _in_a_row)
            )
    for chosen in islice(product(*ways), _MOST):
        yield [
            None if any(places is None for places in at) else dict(zip(axes, at, strict=True))
            for at in zip(*chosen, strict=True)
        ]


def _enlarged(
    seen: Sequence[_Seen], name: str, letters: str, asked: Asked, read: _Reading
) -> list[list[Indices | None]]:
    """What the places of that name can be at the sizes asked for."""
    sums = []
    for each in seen:
        places = each.places[name].reshape([each.lengths[letter] for letter in letters])
        coordinates = read(places, each.shapes)
        sums.append(_as_sums(coordinates) if coordinates else None)
    known = [each for each in sums if each is not None]
    if len(known) < len(sums) or len({len(each) for each in known}) > 1:
        return []
    smaller = [each.lengths for each in seen]
    choices = []
    for coordinate in zip(*known, strict=True):  # the number of the parameter, then the others
        terms = [_terms(values, smaller, asked) for values in zip(*coordinate, strict=True)]
        choices.append(list(islice(product(*terms), _MOST)))
    return [
        [
            _places([[term[n] for term in terms] for terms in way], letters, *at)
            for n, at in enumerate(asked)
        ]
        for way in islice(product(*choices), _MOST)
    ]


def _places(
    sums: Sequence[Sequence[int]], letters: str, lengths: Lengths, shapes: Shapes
) -> Indices | None:
    """Places by the sums of their coordinates; None if some are outside, or two are the same."""
    whole = tuple(lengths[letter] for letter in letters)
    steps = np.indices(whole, sparse=True)  # each along its own axis alone, as most sums are
    numbers, *axes = (
        np.asarray(first + sum(each * step for each, step in zip(rest, steps, strict=True) if each))
        for first, *rest in sums
    )
    if numbers.min() < 0 or numbers.max() >= len(shapes):
        return None
    starts = _starts(shapes)
    found = np.zeros(whole, dtype=np.intp)
    present = np.flatnonzero(np.bincount(numbers.ravel())).tolist()
    for number in present:
        mine: Any = ...  # all of them, most often
        inside = axes
        if len(present) > 1:
            mine = np.broadcast_to(numbers == number, whole)
            inside = [np.broadcast_to(axis, whole)[mine] for axis in axes]
        shape = shapes[number] if len(axes) == len(shapes[number]) else None
        row = (int(starts[number + 1] - starts[number]),)
        shape = row if shape is None and len(axes) == 1 else shape
        if shape is None or any(
            axis.min() < 0 or axis.max() >= length
            for axis, length in zip(inside, shape, strict=True)
        ):
            return None
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        rows = sum(axis * stride for axis, stride in zip(inside, strides, strict=True))
        found[mine] = starts[number] + rows
    return found if np.bincount(found.ravel()).max() == 1 else None


def _starts(shapes: Shapes) -> Indices:
    """Where each parameter starts in the flat vector of all, and where the last one ends."""
    return np.cumsum([0, *map(math.prod, shapes)])


def _in_a_row(places: Indices, shapes: Shapes) -> list[Indices]:
    """For every place the number of its parameter, and how far into it it is."""
    starts = _starts(shapes)
    numbers = np.searchsorted(starts, places, side="right") - 1
    return [numbers, places - starts[numbers]]


def _on_axes(places: Indices, shapes: Shapes) -> list[Indices] | None:
    """For every place the number of its parameter, and where it is on each of its axes.

    None if the parameters have different numbers of axes, or one, or none.
    """
    numbers, rows = _in_a_row(places, shapes)
    members = np.unique(numbers)
    dimensions = {len(shapes[number]) for number in members}
    if len(dimensions) != 1 or min(dimensions) < 2:
        return None
    found = [np.zeros_like(places) for _ in range(dimensions.pop())]
    for number in members:
        mine = numbers == number
        at = np.unravel_index(rows[mine], shapes[number])
        for axis, values in zip(found, at, strict=True):
            axis[mine] = values
    return [numbers, *found]


def _as_sums(coordinates: Sequence[Indices]) -> list[list[int | None]] | None:
    """Each coordinate as its first value and what a step along each axis adds, None if unknown.

    None if it is no such sum.
    """
    sums: list[list[int | None]] = []
    for values in coordinates:
        first = int(values.flat[0])
        terms: list[int | None] = []
        rest = values - first
        for axis, steps in enumerate(np.indices(values.shape)):
            step = int(values.take(min(1, values.shape[axis] - 1), axis).flat[0]) - first
            terms.append(step if values.shape[axis] > 1 else None)
            rest = rest - step * steps
        if rest.any():
            return None
        sums.append([first, *terms])
    return sums


def _terms(values: Sequence[int | None], smaller: Sequence[Lengths], asked: Asked) -> list[_Values]:
    """What a term can be at the sizes asked for, from what it is at the smaller ones."""
    known = [(v, lengths) for v, lengths in zip(values, smaller, strict=True) if v is not None]
    wanted = [lengths for lengths, _ in asked]
    found = {(known[0][0],) * len(wanted)} if len({v for v, _ in known}) == 1 else set()
    letters = sorted(wanted[0])
    products = combinations_with_replacement(letters, 2)
    for monomial in [*((letter,) for letter in letters), *products]:
        sizes = [_size(monomial, lengths) for _, lengths in known]
        for factor in _FACTORS:
            beside = {v - factor * size for (v, _), size in zip(known, sizes, strict=True)}
            if len(beside) == 1 and min(beside) in _BESIDE:
                found.add(tuple(factor * _size(monomial, w) + min(beside) for w in wanted))
    return sorted(found)


def _size(monomial: tuple[str, ...], lengths: Lengths) -> int:
    return math.prod(lengths[letter] for letter in monomial)
