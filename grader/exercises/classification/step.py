"""One finetune_step with SGD: what it did, what it should have done, and the code for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.check import Failure
from grader.exercises.classification.client import Pair, read
from grader.exercises.classification.common import STEP, ClassifierHarness, laid_out, tensor
from grader.exercises.classification.oracle import Floats, Tokens, cross_entropy, loss_weights
from grader.gpt2.layouts.box import difference

RATE = 0.25  # of learning
SAME = 1e-5  # of the largest value; torch's clipping adds 1e-6 to the norm


@dataclass(frozen=True)
class Step:
    """One finetune_step with SGD: what it did and what it should have done.

    draw, labels, pair: what it was asked; sizes, axes: of each parameter; gradient: of the mean
    cross-entropy, all parameters laid end to end; taken: what the parameters moved by, divided by
    -learning rate; loss: before the step; logits, after: class logits before and after it;
    returned: what came back.
    """

    draw: int
    pair: Pair
    labels: Tokens
    sizes: list[int]
    axes: list[int]
    gradient: Floats
    taken: Floats
    loss: float
    logits: Floats
    after: Floats
    returned: object

    def parts(self, flat: Floats) -> list[Floats]:
        """One vector for each parameter."""
        return np.split(flat, np.cumsum(self.sizes)[:-1])


def take(
    rig: ClassifierHarness,
    rng: np.random.Generator,
    rows: int,
    *,
    stale: float = 0.0,
    limit: float | None = None,
) -> Step:
    """A step from random weights. limit: max_grad_norm, in largest elements of the gradient."""
    draw = int(rng.integers(10_000))
    rig.draw(np.random.default_rng(draw))
    classifier, seed = rig.classifier, 5
    pair = rig.pair(rng, rows, rig.setting.size["block_size"] - 1)
    labels = rng.integers(0, rig.setting.num_classes, rows)
    # A classifier may have dropout of its own: the same seed drops the same.
    (logits,) = classifier.logits([pair], train=True, seeds=[seed])
    _, gradients = classifier.gradient(pair, loss_weights(logits, labels), train=True, seed=seed)
    shapes = [parameter.shape for parameter in rig.module.parameters]
    filled = [np.zeros(s) if g is None else g for g, s in zip(gradients, shapes, strict=True)]
    gradient = laid_out(filled)
    most = None if limit is None else limit * float(np.abs(gradient).max(initial=1e-12))
    before, _ = read(rig.module)
    optimizer = classifier.optimizer("SGD", RATE, stale)
    more: dict[str, Any] = {} if most is None else {"max_grad_norm": most}
    returned = classifier.step(optimizer, pair, labels, seed=seed, **more)
    for name, array in (("idx", pair[0]), ("lengths", pair[1]), ("labels", labels)):
        if not np.array_equal(returned.after[name], array) and not classifier.overwrites:
            raise Failure(f"{STEP} changed {name}", cause="mutates-input")
    after, _ = read(rig.module)
    taken = laid_out([(a - b) / RATE for a, b in zip(before, after, strict=True)])
    (moved,) = classifier.logits([pair], train=True, seeds=[seed])
    loss = cross_entropy(logits, labels)
    sizes, axes = [value.size for value in before], [value.ndim for value in before]
    value = returned.value
    return Step(draw, pair, labels, sizes, axes, gradient, taken, loss, logits, moved, value)


def code(step: Step, *lines: str, options: str = "") -> list[str]:
    """Lines of code that take the same step."""
    return [
        "matrices = [p for p in model.parameters() if p.ndim >= 2]",
        "vectors = [p for p in model.parameters() if p.ndim < 2]",
        "groups = [{'params': matrices}, {'params': vectors}]",
        f"optimizer = torch.optim.SGD(groups, lr={RATE})",
        f"idx, lengths = {tensor(step.pair[0])}, {tensor(step.pair[1])}",
        f"labels = {tensor(step.labels)}",
        *(lines or ()),
        f"loss = {STEP}(model, optimizer, idx, lengths, labels{options})",
    ]


def is_step(step: Step, gradient: Floats) -> bool:
    """Whether it was one along this gradient."""
    scale = float(np.abs(step.gradient).max(initial=1e-12))
    return bool(np.abs(step.taken - gradient).max(initial=0.0) < SAME * scale)


def head_only(rig: ClassifierHarness, step: Step) -> bool:
    """Whether the classifier's own parameters moved as they should, and the backbone's not."""
    own = rig.own_places()
    return is_step(step, np.where(own, step.gradient, 0.0))


def collinear(first: Floats, second: Floats) -> bool:
    """Whether two vectors have one direction, or opposite ones."""
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return norms > 0 and abs(abs(float(first @ second)) / norms - 1) < 1e-8


def clips_some(step: Step) -> bool:
    """Whether some parameters moved by their gradient as it is, and others by less of theirs."""
    pairs = zip(step.parts(step.taken), step.parts(step.gradient), strict=True)
    moved = [(taken, gradient) for taken, gradient in pairs if np.abs(gradient).max() > SAME]
    whole = [difference(taken, gradient) < SAME for taken, gradient in moved]
    along = [collinear(taken, gradient) for taken, gradient in moved]
    return any(whole) and all(along)


def clips_groups(step: Step, most: float) -> bool:
    """Whether each of the optimizer's two groups was clipped by its own norm."""
    parts = step.parts(step.gradient)
    matrices = np.array([axes >= 2 for axes in step.axes])
    factors = np.ones(len(parts))
    for group in (matrices, ~matrices):
        squares = [float(g @ g) for g, inside in zip(parts, group, strict=True) if inside]
        factors[group] = min(1.0, most / max(float(np.sqrt(sum(squares))), 1e-12))
    expected = laid_out([g * factor for g, factor in zip(parts, factors, strict=True)])
    return difference(step.taken, expected) < 10 * SAME
