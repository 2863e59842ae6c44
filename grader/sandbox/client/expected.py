"""What an output has to be, whatever its values: finite, of a shape and a dtype."""

from __future__ import annotations

import numpy as np

from grader.sandbox.client.worker import Values

ABSURD = np.float64(1e100)


def sensible(values: Values) -> bool:
    """Neither NaN nor infinite, nor so large that arithmetic with it would be."""
    return bool((np.abs(values) < ABSURD).all())


def shape_cause(shape: tuple[int, ...], x: Values) -> str:
    """The slug that an output of a wrong shape points to."""
    if len(shape) == 3 and shape[0] == x.shape[0]:
        if x.dtype == np.int64 and shape[2] == x.shape[1]:
            return "output-transposed"
        if shape[1] == 1:
            return "logits-only-last-position"
        if shape[1] > x.shape[1]:
            return "block-size-mask-fixed"
    if x.dtype == np.int64 and len(shape) == 2:
        return "logits-only-last-position"
    return "output-transposed" if sorted(shape) == sorted(x.shape) else "crashes"
