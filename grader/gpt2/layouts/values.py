"""The value path of an attention: which elements are its value and its output weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.gpt2.layouts.box import (
    ABSENT,
    NOTHING,
    SAME,
    Floats,
    Indices,
    LayoutNotFound,
    ParameterProbe,
    by_channel,
    groups,
    in_order,
)

_MOST = 100  # weights for each channel; each one is asked for


@dataclass(frozen=True)
class Units:
    """The value path: one row for each unit of the concatenated heads, in no known order."""

    value: Indices  # (units, C)
    out: Indices  # (C, units)
    value_bias: Indices  # (units,)
    out_bias: Indices  # (k, C), see `total`
    silent: Indices  # elements that do nothing where there is one token: queries and keys


@dataclass(frozen=True)
class Alone:
    """What each element does where there is one token: out @ (value @ x + value_bias) + out_bias.

    values, outs: numbers of the elements that act as value and as output weights; linear, felt:
    their effect by channel of the input and of the output, and whether there is one; rows: of value
    weights, elements by channel.
    """

    theta: Floats
    linear: Floats  # (n, C in, C out)
    felt: np.ndarray
    constant: Floats  # (n, C)
    outs: Indices
    rows: list[Indices]
    biases: Indices
    out_bias: Indices  # (k, C), see `total`
    silent: Indices  # elements that do nothing: queries and keys

    @property
    def directions(self) -> Floats:
        """Where each row of values pushes the output."""
        return np.array([self.linear[row[0], 0] for row in self.rows])


def ask_alone(box: ParameterProbe, size: int, rng: np.random.Generator) -> Alone:
    """What each element does to single tokens. Raises LayoutNotFound if that is something else."""
    if box.indices.size > _MOST * size:
        raise LayoutNotFound(
            f"{box.indices.size} weights for {size} channels are too many to ask for"
        )
    theta = box.draw(rng)
    x = np.concatenate([np.zeros((1, size)), np.eye(size)])[:, None]  # (1 + C, 1, C)
    effect = (box.sweep(theta, x, box.indices) - box.call(theta, x))[:, :, 0]  # (n, 1 + C, C)
    constant, linear = effect[:, 0], effect[:, 1:] - effect[:, :1]  # (n, C); (n, C in, C out)
    tolerance = NOTHING * max(float(np.abs(effect).max(initial=0.0)), NOTHING)
    felt = np.abs(linear) > tolerance
    inputs, outputs = felt.any(2).sum(1), felt.any(1).sum(1)
    shifted = (np.abs(constant) > tolerance).sum(1)

    is_value = (inputs == 1) & (outputs == size) & (shifted == 0)
    is_out = (inputs == size) & (outputs == 1) & (shifted <= 1)
    is_value_bias = (inputs == 0) & (shifted == size)
    is_out_bias = (inputs == 0) & (shifted == 1)
    silent = (inputs == 0) & (shifted == 0)
    odd = ~(is_value | is_out | is_value_bias | is_out_bias | silent)
    if odd.any():
        raise LayoutNotFound(
            f"with a single token, {int(odd.sum())} weights act neither as a value projection "
            "nor as an output projection"
        )
    # A value weight [unit, a] pushes the output along the output weights of its unit.
    value, ahead = _split(is_value, linear, 1)
    return Alone(
        theta,
        linear,
        felt,
        constant,
        np.flatnonzero(is_out),
        [in_order(value[g], felt[value[g]].any(2).argmax(1), size, "value") for g in ahead],
        np.flatnonzero(is_value_bias),
        _spread(box, np.flatnonzero(is_out_bias), constant, tolerance, size),
        box.indices[silent],
    )


def find_units(box: ParameterProbe, size: int, rng: np.random.Generator) -> Units:
    """The value path, each unit with value weights of its own. Raises LayoutNotFound."""
    alone = ask_alone(box, size, rng)
    # An output weight [c, unit] picks up what the value weights of its unit make of x.
    linear, felt, values = alone.linear, alone.felt, alone.rows
    out = alone.outs
    behind = groups(linear[out].sum(2)) if out.size else []
    outs = [in_order(out[g], felt[out[g]].any(1).argmax(1), size, "output") for g in behind]
    if len(values) != size or len(outs) != size:
        raise LayoutNotFound(
            f"expected {size} value channels and {size} output channels, "
            f"found {len(values)} and {len(outs)}"
        )
    directions = alone.directions  # (units, C)
    pairing = _match(
        directions, alone.theta[box.indices[np.array(outs)]], "value and output weights"
    )
    return Units(
        value=box.indices[np.array(values)],
        out=box.indices[np.array(outs)[pairing].T],
        value_bias=bias_of_rows(box, alone),
        out_bias=alone.out_bias,
        silent=alone.silent,
    )


def _split(chosen: np.ndarray, linear: Floats, axis: int) -> tuple[Indices, list[Indices]]:
    """The chosen elements, and their groups by effect summed over one axis."""
    members = np.flatnonzero(chosen)
    return members, groups(linear[members].sum(axis)) if members.size else []


def _match(wanted: Floats, offered: Floats, what: str) -> Indices:
    """For each wanted row the one offered row that equals it."""
    distance = np.abs(wanted[:, None] - offered[None]).max(-1)
    chosen = distance.argmin(1)
    if distance.min(1).max() > SAME or len(set(chosen.tolist())) != len(wanted):
        raise LayoutNotFound(f"the {what} do not belong together")
    return chosen


def bias_of_rows(box: ParameterProbe, alone: Alone) -> Indices:
    """Value biases, each pushing the output along the direction of its row of values."""
    directions = alone.directions
    places = np.full(len(directions), ABSENT, dtype=np.intp)
    for member in alone.biases:
        distance = np.abs(directions - alone.constant[member]).max(-1)
        if distance.min() > SAME:
            raise LayoutNotFound("a bias acts along no value channel")
        places[distance.argmin()] = box.indices[member]
    return places


def _spread(
    box: ParameterProbe, members: Indices, constant: Floats, tolerance: float, size: int
) -> Indices:
    """Output biases by the channel that each one shifts."""
    channels = (np.abs(constant[members]) > tolerance).argmax(-1)
    return by_channel(channels, box.indices[members], size)
