"""Layouts carried over to sizes that nothing was searched at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from grader.gpt2.layouts import AttentionLayout, larger_attentions
from grader.gpt2.layouts.box import ABSENT, Indices
from grader.gpt2.layouts.larger import Shapes

SMALL = ((6, 2), (6, 3), (5, 1))  # embed_dim, num_heads
LARGE = (240, 16)
# Shapes of the parameters; and query, key, value (H, D, C) and out (C, H, D) in their flat vector.
Style = Callable[[int, int], "tuple[Shapes, list[Indices]]"]


def fused(size: int, heads: int) -> tuple[Shapes, list[Indices]]:
    """One matrix for the three, heads side by side."""
    three = np.arange(3 * size**2).reshape(3, heads, -1, size)
    out = 3 * size**2 + np.arange(size**2).reshape(size, heads, -1)
    return [(3 * size, size), (size, size)], [*three, out]


def a_matrix_for_each_head(size: int, heads: int) -> tuple[Shapes, list[Indices]]:
    """The output's first, then query, key and value of one head after the other."""
    out = np.arange(size**2).reshape(heads, -1, size).transpose(2, 0, 1)
    three = size**2 + np.arange(3 * size**2).reshape(heads, 3, -1, size).swapaxes(0, 1)
    return [(size, size), *[(size // heads, size)] * (3 * heads)], [*three, out]


def heads_fastest(size: int, heads: int) -> tuple[Shapes, list[Indices]]:
    """Weights as x meets them from the left, the role being the last axis but one of a channel."""
    three = np.arange(3 * size**2).reshape(size, -1, 3, heads).transpose(2, 3, 1, 0)
    out = 3 * size**2 + np.arange(size**2).reshape(-1, heads, size).transpose(2, 1, 0)
    return [(size, 3 * size), (size, size)], [*three, out]


def four_axes(size: int, heads: int) -> tuple[Shapes, list[Indices]]:
    """As einsum takes them."""
    three = np.arange(3 * size**2).reshape(heads, size, 3, -1).transpose(2, 0, 3, 1)
    out = 3 * size**2 + np.arange(size**2).reshape(heads, -1, size).transpose(2, 0, 1)
    return [(heads, size, 3, size // heads), (heads, size // heads, size)], [*three, out]


def in_no_order(size: int, heads: int) -> tuple[Shapes, list[Indices]]:
    """Channels of each head wherever chance puts them."""
    shapes, places = fused(size, heads)
    return shapes, [
        each[:, np.random.default_rng(size).permutation(size // heads)] for each in places[:3]
    ] + [places[3]]


def layout(size: int, heads: int, places: list[Indices], seed: int) -> AttentionLayout:
    """As a search finds it: heads, and channels of a head, in any order."""
    rng = np.random.default_rng(seed)
    query, key, value, out = places
    head, first, second = (rng.permutation(n) for n in (heads, *[size // heads] * 2))
    return AttentionLayout(
        query=query[head][:, first],
        key=key[head][:, first],
        value=value[head][:, second],
        out=out[:, head][:, :, second],
        query_bias=np.full((heads, size // heads), ABSENT),
        value_bias=np.full((heads, size // heads), ABSENT),
        out_bias=np.full((1, size), ABSENT),
        scale=(size // heads) ** -0.5,
    )


def carried(style: Style, shapes: Shapes) -> list[AttentionLayout | None]:
    small = []
    for seed, (size, heads) in enumerate(SMALL):
        its, places = style(size, heads)
        small.append((layout(size, heads, places, seed), its))
    return [found for (found,) in larger_attentions(small, [(LARGE, shapes)])]


@pytest.mark.parametrize("style", [fused, a_matrix_for_each_head, heads_fastest, four_axes])
def test_places_at_a_larger_size(style: Style) -> None:
    shapes, wanted = style(*LARGE)
    found = [each for each in carried(style, shapes) if each is not None]
    assert any(
        all(
            np.array_equal(*pair)
            for pair in zip((each.query, each.key, each.value, each.out), wanted, strict=True)
        )
        for each in found
    )
    assert len(found) <= 2  # each of them is tried


def test_what_is_in_no_order_is_not_carried_over() -> None:
    shapes, _ = in_no_order(*LARGE)
    assert carried(in_no_order, shapes) == []


def test_places_outside_the_shapes_are_none() -> None:
    shapes, _ = fused(*LARGE)
    assert set(carried(fused, [(3 * 128, 240), *shapes[1:]])) == {None}
