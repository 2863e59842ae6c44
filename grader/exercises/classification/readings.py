"""What a classifier reads: collected over weights and batches, and called by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from grader.exercises.classification.client import Pair, put, read
from grader.exercises.classification.common import SCALE, ClassifierHarness
from grader.exercises.classification.forms import READINGS
from grader.exercises.classification.oracle import Batch, Floats, log_softmax, unexplained
from grader.gpt2.layouts.box import CLOSE, difference

_MOVED = 1e-3
_BACKBONES = 3  # of different weights under the same weights for classes


@dataclass
class Seen:
    """Batches and the class logits for them, for one set of backbone weights after another."""

    groups: list[list[tuple[Batch, Floats]]] = field(default_factory=list)

    def explained(self, reading: Callable[[Batch], Floats], apart: bool = False) -> bool:
        """Whether class logits are one affine map of what is read (`apart`: one in each group)."""
        together = [[item for group in self.groups for item in group]]
        return all(_fits(group, reading) for group in (self.groups if apart else together))

    @property
    def outputs(self) -> Floats:
        """All class logits, (N, K)."""
        return np.concatenate([output for group in self.groups for _, output in group])

    def mapped(self, function: Callable[[Floats], Floats]) -> Seen:
        """The same with a function of the class logits in their place."""
        return Seen([[(b, function(o)) for b, o in group] for group in self.groups])


def _fits(group: Sequence[tuple[Batch, Floats]], reading: Callable[[Batch], Floats]) -> bool:
    features = np.concatenate([reading(batch) for batch, _ in group])
    outputs = np.concatenate([output for _, output in group])
    # With too few rows everything is an affine map of everything.
    return len(features) > 1.5 * (features.shape[1] + 1) and unexplained(features, outputs) < CLOSE


def look(
    rig: ClassifierHarness, rng: np.random.Generator, pairs: Sequence[Pair], draw: int
) -> Seen:
    """What the classifier gives for pairs, its own weights drawn once and the backbone's often."""
    rig.draw(np.random.default_rng(draw))
    seen = Seen()
    for number in range(_BACKBONES):
        if number:
            put(rig.given, rig.given.random(rng, SCALE))
        outputs = rig.classifier.logits(pairs)
        seen.groups.append(list(zip(rig.batches(pairs), outputs, strict=True)))
    return seen


def right(batch: Batch) -> Floats:
    """What has to be read."""
    return batch.last


def name(rig: ClassifierHarness, seen: Seen, pair: Pair) -> str:
    """The bug with which the oracle gives these class logits, "" if none is known."""
    for slug, readings in READINGS.items():
        if any(seen.explained(reading) for reading in readings):
            return slug
    if any(seen.explained(reading, apart=True) for reading in READINGS["normed-again"]):
        return "normed-again"
    if _probabilities(seen):
        return "softmax-on-class-logits"
    if _mixes(rig, pair):
        return "batch-mixing"
    if not _homogeneous(rig, pair):
        return "class-head-not-linear"
    return "reads-before-final-norm" if _without_norm(rig, pair) else ""


def _probabilities(seen: Seen) -> bool:
    """Whether exp or log of the outputs is what a softmax makes of a linear map."""
    outputs = seen.outputs
    for logs in (outputs, np.log(np.maximum(outputs, 1e-300))):
        if np.abs(log_softmax(logs) - logs).max() < CLOSE:
            return True
    return False


def _mixes(rig: ClassifierHarness, pair: Pair) -> bool:
    """Whether a row gets different class logits in company than alone."""
    rows = [(pair[0][n : n + 1], pair[1][n : n + 1]) for n in range(len(pair[0]))]
    together, *alone = rig.classifier.logits([pair, *rows])
    return difference(together, np.concatenate(alone)) > CLOSE


def _homogeneous(rig: ClassifierHarness, pair: Pair) -> bool:
    """Whether twice the classifier's own weights give twice the class logits."""
    theta = rig.draw(np.random.default_rng(0))
    twice = np.where(rig.own_places(), 2 * theta, theta)
    first, second = rig.classifier.at_points([theta, twice], pair)
    return difference(second, 2 * first) < CLOSE


def _without_norm(rig: ClassifierHarness, pair: Pair) -> bool:
    """Whether some vector of the backbone moves its token logits, and the class logits not."""
    rig.draw(np.random.default_rng(0))
    (before,), (tokens,) = rig.classifier.logits([pair]), rig.batches([pair])
    width = rig.setting.size["embed_dim"]
    theta = np.concatenate([value.ravel() for value in read(rig.given)[0]])
    for parameter in rig.given.parameters:
        if parameter.indices.squeeze().shape != (width,) or not parameter.trainable:
            continue
        moved = theta.copy()
        moved[parameter.indices] += 1.0
        put(rig.given, moved)
        (after,) = rig.classifier.logits([pair])
        still = difference(after, before) < CLOSE
        (batch,) = rig.batches([pair])
        if still and difference(batch.token_logits, tokens.token_logits) > _MOVED:
            return True
    return False
