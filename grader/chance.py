"""Whether what is counted can come from the probabilities that it has to come from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# In standard deviations of chi-square's normal approximation: chance passes it once in 10⁹ times.
LIMIT = 6.0


def chi_square(counts: Floats, probabilities: Floats) -> tuple[float, int]:
    """Pearson's measure of how far counts are from probabilities, and its degrees of freedom."""
    possible = probabilities > 0
    if counts[~possible].any():
        return math.inf, 1
    expected = counts.sum() * probabilities[possible]
    return float(((counts[possible] - expected) ** 2 / expected).sum()), int(possible.sum()) - 1


def deviation(measure: float, freedom: int) -> float:
    """How unlikely a chi-square is, in standard deviations: below zero if counts fit too well.

    By the cube root of Wilson and Hilferty (1931).
    """
    if freedom == 0:
        return 0.0
    cube = 2 / (9 * freedom)
    return ((measure / freedom) ** (1 / 3) - (1 - cube)) / math.sqrt(cube)


def fits(counts: Floats, probabilities: Floats) -> bool:
    """Whether counts can come from these probabilities."""
    return deviation(*chi_square(counts, probabilities)) < LIMIT
