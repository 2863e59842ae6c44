"""Factors between a block's branches and its stream: LayerScale, 1/√2, 1/√(2·num_layers).

Whatever such a factor is, the last layer of the branch could have it in its weights: a block whose
branches are multiplied by numbers that nothing but parameters changes computes what GPT-2's does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    ParameterProbe,
    PartFunction,
    difference,
    moved,
)


@dataclass(frozen=True)
class Factor:
    """What a branch is multiplied by: constants (C,), times the parameters at `places` (C,)."""

    constants: Floats
    places: Indices

    def value(self, theta: Floats) -> Floats:
        """The factor of each channel."""
        return self.constants * np.where(self.places == ABSENT, 1.0, theta[self.places])

    def inside(self, places: Indices) -> Factor:
        """The same in a larger model, where the parameters lie at `places`."""
        return replace(self, places=moved(self.places, places))


def scaled_attention(weights: model.Attention, factor: Floats) -> model.Attention:
    """An attention whose output is a factor (C,) times this one's."""
    return replace(
        weights, out=weights.out * factor[:, None, None], out_bias=weights.out_bias * factor
    )


def scaled_mlp(weights: model.Mlp, factor: Floats) -> model.Mlp:
    """An MLP whose output is a factor (C,) times this one's."""
    return replace(
        weights, down=weights.down * factor[:, None], down_bias=weights.down_bias * factor
    )


@dataclass(frozen=True)
class Branch:
    """Where the weight and the bias of a branch's norm are, (C,) each, and its factor.

    bare: whether the branch reads the stream as it is, with no norm.
    """

    weight: Indices
    bias: Indices
    factor: Factor
    bare: bool = False


def find_branches(
    box: ParameterProbe,
    parts: Sequence[PartFunction],
    inside: Sequence[Indices],
    loose: Sequence[Indices],
    seen: Sequence[tuple[Floats, Floats]],
) -> Iterator[tuple[Branch, Branch]]:
    """Ways to read a block's two branches, in the order of use, with a factor each; right ones
    first.

    parts: what they compute; inside: their parameters; loose: rows (C,), and single elements (1,),
    that are in neither; seen: parameters and inputs that it has to be true for.
    """
    first, second = (
        list(_branches(box, parts[n], loose, [(_silent(t, inside[1 - n]), x) for t, x in seen]))
        for n in (0, 1)
    )
    pairs = itertools.product(first, second)
    yield from sorted(pairs, key=lambda pair: pair[0].bare + pair[1].bare)


def _silent(theta: Floats, indices: Indices) -> Floats:
    quiet = theta.copy()
    quiet[indices] = 0.0
    return quiet


def _branches(
    box: ParameterProbe,
    part: PartFunction,
    loose: Sequence[Indices],
    seen: Sequence[tuple[Floats, Floats]],
) -> Iterator[Branch]:
    """Ways to read a branch that is alone in its block."""
    theta, x = seen[0]
    size = x.shape[-1]
    absent = np.full(size, ABSENT, dtype=np.intp)
    felt = [places for places in loose if _is_felt(box, theta, x, places)]
    given = [box.call(t, x) - x for t, x in seen]
    rows: list[Indices] = [places for places in felt if places.size == size]
    for weight, bias, gain in itertools.product([*rows, absent], [*rows, absent], [*felt, absent]):
        used = [places for places in (weight, bias, gain) if places is not absent]
        if len(used) != len(felt) or len({places[0] for places in used}) != len(used):
            continue
        factor = Factor(np.ones(size), np.broadcast_to(gain, size))
        bare = weight is absent
        if bare and bias is not absent:
            continue
        constants = []
        for (t, x), branch in zip(seen, given, strict=True):
            read = x if bare else model.layer_norm(x, _norm(t, weight, bias))
            constants.append(_ratio(part(t, read) * factor.value(t), branch))
        if any(difference(constant, constants[0]) > SAME for constant in constants):
            continue
        if (constants[0] > NOTHING).all():
            yield Branch(weight, bias, replace(factor, constants=constants[0]), bare)


def _norm(theta: Floats, weight: Indices, bias: Indices) -> model.Norm:
    return model.Norm(theta[weight], np.where(bias == ABSENT, 0.0, theta[bias]))


def _is_felt(box: ParameterProbe, theta: Floats, x: Floats, places: Indices) -> bool:
    other = theta.copy()
    other[places] *= 1.5
    return difference(box.call(other, x), box.call(theta, x)) > NOTHING


def _ratio(plain: Floats, branch: Floats) -> Floats:
    """What each channel of a branch is multiplied by; NaN if that is no constant."""
    axes = tuple(range(plain.ndim - 1))
    with np.errstate(all="ignore"):
        ratio: Floats = (plain * branch).sum(axes) / (plain**2).sum(axes)
    if difference(ratio * plain, branch) > SAME:
        return np.full_like(ratio, np.nan)
    return ratio
