"""The layout of a whole GPT-2 from its logits alone, whatever modules it is made of.

The head is set to the identity, so that logits are the normed stream, and the token table to the
streams that are wanted. What is known of the stream is then its direction without the mean, which
is all that anything in GPT-2 ever reads of it. Where two channels are left as they were, all others
can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.gpt2 import oracle as model
from grader.gpt2.layouts.attention import AttentionLayout
from grader.gpt2.layouts.box import ABSENT, NOTHING, SAME, Floats, Indices, LayoutNotFound
from grader.gpt2.layouts.mlp import MlpLayout
from grader.gpt2.layouts.model import ModelSizes
from grader.gpt2.layouts.norm import NormLayout
from grader.gpt2.layouts.scores import find_scores
from grader.gpt2.layouts.stream import Stream, plain, streams
from grader.gpt2.layouts.tables import Tables, WholeBox, find_tables
from grader.gpt2.layouts.units import Units, find_units
from grader.gpt2.norms import Eps, closest_eps

_ATTEMPTS = 6  # one may be led astray by its random numbers


@dataclass(frozen=True)
class LayerLayout:
    """Where one block's weights are."""

    norms: tuple[NormLayout, NormLayout]
    attention: AttentionLayout
    mlp: MlpLayout


@dataclass(frozen=True)
class WholeLayout:
    """Where all of a GPT-2's weights are."""

    tables: Tables
    layers: Sequence[LayerLayout]

    @property
    def gelu(self) -> model.Activation | None:
        """Which GELU all the activations are; None if one is another function."""
        found = {layer.mlp.activation for layer in self.layers}
        return found.pop() if len(found) == 1 else None

    @property
    def places(self) -> Indices:
        """All elements that are a weight of GPT-2's. What is left, key biases among it, does
        nothing in a whole text.
        """
        found = [*_indices(self.tables)]
        for layer in self.layers:
            for part in (*layer.norms, layer.attention, layer.mlp):
                found += _indices(part)
        every = np.unique(np.concatenate([indices.ravel() for indices in found]))
        return every[every != ABSENT]

    @property
    def own(self) -> Indices:
        """The same without the head, which may be made of what the tokens are made of."""
        head = np.concatenate([self.tables.head.ravel(), self.tables.head_bias.ravel()])
        kept = [self.tables.tokens.ravel(), np.setdiff1d(self.places, head)]
        return np.unique(np.concatenate(kept))

    def compute(self, theta: Floats, idx: model.Integers) -> Floats:
        """The oracle's logits with these parameters."""
        return model.gpt2(idx, self.weights(theta), self.gelu or model.gelu_exact)

    def weights(self, theta: Floats) -> model.Gpt2:
        """The weights that these parameter values stand for."""
        tables = self.tables
        blocks = [
            model.Block(
                layer.norms[0].norm(theta),
                layer.attention.weights(theta),
                layer.norms[1].norm(theta),
                layer.mlp.weights(theta),
            )
            for layer in self.layers
        ]
        return tables.weights(theta, blocks)


def _indices(part: object) -> list[Indices]:
    """The places that a layout names."""
    values = vars(part).values()
    own = [v for v in values if isinstance(v, np.ndarray) and v.dtype == np.intp]
    return own + [i for v in values if isinstance(v, NormLayout) for i in _indices(v)]


def find_whole(
    box: WholeBox, parameters: Sequence[Indices], sizes: ModelSizes, rng: np.random.Generator
) -> WholeLayout:
    """The layout of a GPT2, given the places of its parameters in their own shapes.

    Needs an embed_dim of at least 4, and a vocabulary of at least 5 · embed_dim + 12. Raises
    LayoutNotFound if it is not a pre-norm Transformer with a value path in every branch.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with np.errstate(all="ignore"):
                return _find(box, parameters, sizes, rng)
        except LayoutNotFound:
            if attempt == _ATTEMPTS - 1:
                raise
        except (ValueError, IndexError):  # answers that are not even of the right kind
            continue
    raise LayoutNotFound("the logits do not hang on the parameters as those of a GPT-2 do")


@dataclass(frozen=True)
class _Branch:
    """The last weights of a branch, with the channel that each one reaches, and those before."""

    ends: Indices
    channels: Indices
    inner: Indices


def _find(
    box: WholeBox, parameters: Sequence[Indices], sizes: ModelSizes, rng: np.random.Generator
) -> WholeLayout:
    tables, rest = find_tables(box, parameters, sizes, rng)
    stream = Stream(box, tables, rng)
    branches = _peel(stream, rest, 2 * sizes.num_layers, rng)
    dead = np.concatenate([branch.ends for branch in branches])
    base = stream.theta.copy()
    base[dead] = 0.0
    tables = replace(tables, norm=_with_eps(tables.norm, _final_eps(stream, base, rng)))
    stream.tables = tables
    layers = []
    for attend, feed in zip(branches[0::2], branches[1::2], strict=True):
        layers.append(_layer(stream, base, attend, feed, rng))
    return WholeLayout(tables, layers)


def _layer(
    stream: Stream, base: Floats, attend: _Branch, feed: _Branch, rng: np.random.Generator
) -> LayerLayout:
    values = find_units(stream, base, attend.ends, attend.channels, attend.inner, rng)
    if np.abs(values.read - values.given).max() > SAME:
        raise LayoutNotFound("with a single token, the attention is not a linear function of it")
    hidden = find_units(stream, base, feed.ends, feed.channels, feed.inner, rng)
    if hidden.silent.size:
        raise LayoutNotFound(f"{hidden.silent.size} weights of an MLP do nothing to a single token")
    attention = find_scores(stream, base, values, rng)
    mlp = MlpLayout(
        hidden.first,
        hidden.first_bias,
        hidden.last,
        hidden.last_bias,
        hidden.read.ravel(),
        hidden.given.ravel(),
    )
    norms = [
        _with_eps(units.norm, _branch_eps(stream, base, units, rng)) for units in (values, hidden)
    ]
    return LayerLayout((norms[0], norms[1]), attention, mlp)


def _peel(stream: Stream, rest: Indices, count: int, rng: np.random.Generator) -> list[_Branch]:
    """The branches, first ones first: the last one's ends reach one channel of the stream each,
    and once they are zero so do those of the one before.
    """
    size = stream.size
    x = streams(rng, (8, 2), size)
    theta = stream.theta.copy()
    found: list[tuple[Indices, Indices, Indices]] = []  # ends, channels, all that is felt
    members = rest
    while True:
        before = stream.normed(theta, x).reshape(-1, size)
        after = stream.normed_sweep(theta, x, members).reshape(len(members), -1, size)
        active = np.abs(after - before).max((1, 2)) > NOTHING
        members, after = members[active], after[active]
        if not members.size:
            break
        if len(found) == count:
            raise LayoutNotFound(
                f"something is felt behind {count // 2} blocks of attention and MLP"
            )
        channels = _only_channel(before, after)
        ends = channels >= 0
        if not ends.any():
            raise LayoutNotFound("no branch ends in a linear layer that is added to the stream")
        found.append((members[ends], channels[ends], members))
        theta[members[ends]] = 0.0
        members = members[~ends]
    if len(found) != count:
        raise LayoutNotFound(
            f"expected {count // 2} blocks of two branches, found {len(found)} branches"
        )
    branches = []
    felt_after = np.zeros(0, dtype=np.intp)
    for ends_, channels_, felt in reversed(found):
        inner = np.setdiff1d(np.setdiff1d(felt, felt_after), ends_)
        branches.append(_Branch(ends_, channels_, inner))
        felt_after = felt
    return branches


def _only_channel(before: Floats, after: Floats) -> Indices:
    """For each of many changes, the channel of the stream that alone was pushed; else -1.

    before: (positions, C); after: (n, positions, C). A stream y + a·e_c, normed, lies in the plane
    of y's and of e_c's deviations from their means.
    """
    size = before.shape[1]
    moved = np.abs(after - before).max((1, 2))
    channels = np.full(len(after), -1, dtype=np.intp)
    for channel in range(size):
        unit = np.eye(size)[channel] - 1.0 / size
        unit /= np.linalg.norm(unit)
        other = before - (before @ unit)[:, None] * unit
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        left = after - (after @ unit)[..., None] * unit
        left = left - (left * other).sum(-1, keepdims=True) * other
        channels[np.abs(left).max((1, 2)) <= SAME * moved] = channel
    return channels


def _with_eps(norm: NormLayout, eps: Eps) -> NormLayout:
    return replace(norm, eps=eps[0], eps_outside=eps[1])


def _quiet(stream: Stream, rng: np.random.Generator) -> Floats:
    """Streams of hardly any variance."""
    return streams(rng, (3, 1), stream.size) * np.array([1e-2, 1e-3, 1e-4])[:, None, None]


def _final_eps(stream: Stream, base: Floats, rng: np.random.Generator) -> Eps:
    x = _quiet(stream, rng)
    seen = stream.normed(base, x)
    one, zero = np.ones(stream.size), np.zeros(stream.size)
    return closest_eps(
        lambda eps: float(np.abs(model.layer_norm(x, model.Norm(one, zero, *eps)) - seen).max())
    )


def _branch_eps(stream: Stream, base: Floats, units: Units, rng: np.random.Generator) -> Eps:
    """With weights of a branch so small that the final norm feels what its own makes of it."""
    x = _quiet(stream, rng)
    theta = base.copy()
    theta[units.last.ravel()] = 1e-2 * stream.theta[units.last.ravel()]
    seen = stream.normed(theta, x)
    final = stream.tables.norm
    unit = model.Norm(np.ones(stream.size), np.zeros(stream.size), final.eps, final.eps_outside)
    own = units.norm.norm(theta)
    first, bias = theta[units.first], plain(theta, units.first_bias)

    def distance(eps: Eps) -> float:
        u = model.layer_norm(x, model.Norm(own.weight, own.bias, *eps))
        y = x + units.function(u @ first.T + bias) @ theta[units.last].T
        return float(np.abs(model.layer_norm(y, unit) - seen).max())

    return closest_eps(distance)
