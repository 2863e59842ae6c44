"""LayerNorm, and what is taken for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.gpt2.oracle import Floats, Norm, layer_norm, rms_norm

NormFunction = Callable[[Floats, Norm], Floats]

# Constants in use: torch and GPT-2, older TensorFlow code, BERT, and hand-written ones.
USUAL_EPS = (1e-5, 1e-6, 1e-12, 1e-8, 1e-7, 1e-3)
SMALL_EPS = 1.001e-3  # the largest that still counts as small


Eps = tuple[float, bool]  # the value, and whether it is added outside the root
USUAL: tuple[Eps, ...] = tuple((eps, outside) for outside in (False, True) for eps in USUAL_EPS)
# A distance that only a norm computed in float32 leaves: no eps would be closer.
_FLOAT32 = 1e-6
_FOUND = 1e-9
_FITS = 1e-3  # above it something else is wrong


def closest_eps(distance: Callable[[Eps], float]) -> Eps:
    """The eps for which `distance` is smallest: a usual one, or else one searched for.

    The first of the usual ones if none explains what is seen, which then says nothing of eps.
    """
    best, closest = USUAL[0], float("inf")
    for eps in USUAL:
        found = distance(eps)
        if found < closest:
            best, closest = eps, found
        if closest < _FOUND:
            return best
    if closest < _FLOAT32:
        return best
    step = 10.0
    while distance(best) > _FOUND and step > 1.0 + 1e-7:
        near = [(best[0] * step**power, best[1]) for power in (-3, -2, -1, -0.5, 0.5, 1, 2, 3)]
        best, step = min([best, *near], key=distance), step**0.6
    return best if distance(best) < _FITS else USUAL[0]


def unbiased(x: Floats, norm: Norm) -> Floats:
    """LayerNorm with the variance divided by C - 1."""
    deviation = np.sqrt(x.var(-1, ddof=1, keepdims=True) + norm.eps)
    return (x - x.mean(-1, keepdims=True)) / deviation * norm.weight + norm.bias


def unbiased_outside(x: Floats, norm: Norm) -> Floats:
    """The same with eps added to the deviation."""
    deviation = x.std(-1, ddof=1, keepdims=True) + norm.eps
    return (x - x.mean(-1, keepdims=True)) / deviation * norm.weight + norm.bias


def not_centred(x: Floats, norm: Norm) -> Floats:
    """x divided by its standard deviation, not centred."""
    return x / np.sqrt(x.var(-1, keepdims=True) + norm.eps) * norm.weight + norm.bias


def by_variance(x: Floats, norm: Norm) -> Floats:
    """Centred and divided by the variance, no root taken."""
    variance = x.var(-1, keepdims=True) + norm.eps
    return (x - x.mean(-1, keepdims=True)) / variance * norm.weight + norm.bias


def over_time(x: Floats, norm: Norm) -> Floats:
    """Normalised over the sequence in place of the channels."""
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt(x.var(1, keepdims=True) + norm.eps) * norm.weight + norm.bias


def over_time_and_channels(x: Floats, norm: Norm) -> Floats:
    """Normalised over sequence and channels together."""
    centred = x - x.mean((1, 2), keepdims=True)
    return centred / np.sqrt(x.var((1, 2), keepdims=True) + norm.eps) * norm.weight + norm.bias


def without_affine(x: Floats, norm: Norm) -> Floats:
    """LayerNorm whose weight and bias are not used or not there."""
    plain = Norm(np.ones_like(norm.weight), np.zeros_like(norm.bias), norm.eps)
    return layer_norm(x, plain)


def running_batch_norm(x: Floats, norm: Norm) -> Floats:
    """BatchNorm in eval mode with fresh running statistics: mean 0, variance 1."""
    return x / np.sqrt(1.0 + norm.eps) * norm.weight + norm.bias


def with_eps(eps: float) -> NormFunction:
    """LayerNorm with this eps, whatever the norm's own is."""
    return lambda x, norm: layer_norm(x, Norm(norm.weight, norm.bias, eps))


# cause -> the ways in which it is met.
DEVIANT_NORMS: dict[str, tuple[NormFunction, ...]] = {
    "rmsnorm": (rms_norm, not_centred),
    "layernorm-unbiased-variance": (unbiased, unbiased_outside, by_variance),
    "layernorm-over-time": (over_time, over_time_and_channels),
    "layernorm-no-affine": (without_affine,),
    "batchnorm": (running_batch_norm,),
    "eps-too-large": tuple(with_eps(eps) for eps in (1e-2, 5e-2, 1e-1, 0.5, 1.0)),
}
