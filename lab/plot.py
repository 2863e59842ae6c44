"""Curves as points of an SVG, and round numbers for its axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 260  # without labels
_TICKS = 5  # about
_MOST_POINTS = 1_000  # of a curve: more than there are pixels

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """Polylines by name, and ticks as (place in pixels, words)."""

    width: int
    height: int
    curves: dict[str, str]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]


def plot(curves: Mapping[str, Curve], height: int = HEIGHT) -> Plot | None:
    """None where there are no two points beside each other."""
    points = [point for curve in curves.values() for point in curve if math.isfinite(point[1])]
    if len({x for x, _ in points}) < 2:
        return None
    end = max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = (high - low) or abs(high) or 1.0

    def across(x: float) -> float:
        return round(WIDTH * x / end, 1)

    def up(y: float) -> float:
        return round(height * (high - y) / span, 1)

    return Plot(
        WIDTH,
        height,
        {
            name: " ".join(f"{across(x)},{up(y)}" for x, y in _thinned(curve) if math.isfinite(y))
            for name, curve in curves.items()
            if curve
        },
        [(across(x), words) for x, words in ticks(0, end)],
        [(up(y), words) for y, words in ticks(low, high)],
    )


def ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Round numbers from low to high, and how they are written."""
    if high <= low:
        yield low, f"{low:g}"
        return
    step = _round_step((high - low) / _TICKS)
    for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value = i * step
        yield value, f"{value:,.0f}" if step >= 1 else f"{value:.6g}"


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten: the first that is not less."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


def _thinned(curve: Curve) -> Curve:
    return curve[:: len(curve) // _MOST_POINTS + 1]
