"""One call of `train_step`, with SGD, and the bugs that equal what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grader.check import Counterexample, Failure
from grader.exercises.training.client import RemoteToyModel, State
from grader.exercises.training.common import imports, micro_batch, model_code, tokens_code, trainee
from grader.exercises.training.forms import CLIPS, GRADIENTS
from grader.exercises.training.oracle import (
    Floats,
    Pair,
    Share,
    ToyModel,
    clipped,
    cut,
    flat,
    mean_gradient,
    share,
)
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.sandbox.client.function import call
from grader.sandbox.client.worker import Values

NAME = "train_step"
# Relative: float32 in a loss, and torch's 1e-6 beside a norm, included. Bugs are off by 1e-2.
_TOLERANCE = 2e-5


@dataclass(frozen=True)
class Case:
    """What Hypothesis draws. shapes: (rows, length, targets that do not count) of micro-batches;
    share_of_norm: what the gradient's norm is cut to, as a share of it; draw: seeds the numbers.
    """

    shapes: tuple[tuple[int, int, int], ...]
    draw: int
    share_of_norm: float | None = None
    stale: bool = False

    def model(self) -> ToyModel:
        """The model to train."""
        return trainee(self.draw)

    def micro_batches(self) -> list[Pair]:
        """Inputs and targets."""
        rng = np.random.default_rng(self.draw + 1)
        return [micro_batch(rng, *shape) for shape in self.shapes]


@dataclass
class Outcome:
    """One step: what came of it, and what each micro-batch adds to what has to come."""

    case: Case
    student: RemoteToyModel
    learning_rate: float
    max_norm: float | None
    shares: list[Share] = field(default_factory=list)
    stale: Floats = field(default_factory=lambda: np.zeros(0))
    returned: Any = None
    state: State | None = None
    train_mode_unchanged: bool = True
    after: Mapping[str, Values] = field(default_factory=dict)  # what it was given, by name

    @property
    def moved(self) -> Floats:
        """By what gradient the parameters have moved, laid end to end."""
        assert self.state is not None
        before = flat(self.case.model().trained)
        return (before - flat(self.state.trained)) / self.learning_rate

    @property
    def gradient(self) -> Floats:
        """By which they have to move."""
        return clipped(mean_gradient(self.shares), self.max_norm)

    @property
    def loss(self) -> float:
        """Before the step, over all targets that count."""
        return sum(s.loss for s in self.shares) / sum(s.count for s in self.shares)


_LEARNING_RATE = 0.25


def carry_out(evidence: Evidence, case: Case, dropout_p: float = 0.0) -> Outcome:
    """One call of train_step, with SGD, which shows the gradient."""
    model = case.model()
    rng = np.random.default_rng(case.draw + 2)
    stale = [rng.normal(0.0, 3.0, p.shape) for p in model.trained]
    shares = [share(model, pair) for pair in case.micro_batches()]
    max_norm = None
    if case.share_of_norm is not None:
        max_norm = case.share_of_norm * float(np.linalg.norm(mean_gradient(shares)))
    student = RemoteToyModel(
        evidence.subject,
        NAME,
        model.arrays,
        learning_rate=_LEARNING_RATE,
        dropout_p=dropout_p,
        stale=stale if case.stale else (),
    )
    given = {
        "model": student.itself,
        "optimizer": student.sgd,
        "micro_batches": case.micro_batches(),
        **({} if max_norm is None else {"max_grad_norm": max_norm}),
    }
    returned = call(evidence.subject, NAME, given, evidence.seed)
    outcome = Outcome(case, student, _LEARNING_RATE, max_norm, shares, flat(stale))
    outcome.returned, outcome.train_mode_unchanged = returned.value, returned.train_mode_unchanged
    outcome.state = student.state()
    outcome.after = returned.after
    for after, before in zip(outcome.state.trained, model.trained, strict=True):
        if after.shape != before.shape or not np.isfinite(after).all():
            raise Failure("after the step, parameters have different shapes, or are not finite")
    if not np.array_equal(outcome.state.frozen, model.places):
        raise Failure("a parameter with requires_grad=False has moved", cause="frozen-trained")
    return outcome


def expect_left(outcome: Outcome) -> None:
    """Fail unless the micro-batches and the model's requires_grad are as they were."""
    state = outcome.state
    assert state is not None
    for place, pair in enumerate(outcome.case.micro_batches()):
        for which, tokens in enumerate(pair):
            after = outcome.after.get(f"micro_batches.{place}.{which}")
            if after is None or not np.array_equal(after, tokens):
                what = ("inputs", "targets")[which]
                raise Failure(
                    f"the {what} of a micro-batch, which are the caller's, are overwritten",
                    cause="mutates-input",
                )
    if state.learning != [True] * len(state.trained) + [False]:
        raise Failure(
            "after the step, parameters' requires_grad is not as it was: some that were frozen are "
            "trained now, or some that were trained are frozen",
            cause="requires-grad-not-kept",
        )


def near(found: Floats, expected: Floats) -> bool:
    """Whether one gradient is the other."""
    size = 0.2 + float(np.abs(expected).max())
    return bool(np.abs(found - expected).max() <= _TOLERANCE * size)


def compare(evidence: Evidence, case: Case, id: str, others: Iterable[Case]) -> Outcome:
    """Fail unless the parameters move as they have to. others: cases by which a bug is told."""
    outcome = carry_out(evidence, case)
    if near(outcome.moved, outcome.gradient):
        return outcome
    if id not in evidence.named:
        evidence.named[id] = _bug(evidence, [case, *others])
    cause = evidence.named[id]
    limit = outcome.max_norm
    cut_to = "" if limit is None else f", max_grad_norm={limit:.4f}"
    raise Failure(
        f"one step of SGD on micro-batches of shapes {[(r, t) for r, t, _ in case.shapes]}{cut_to} "
        f"has to move the parameters by the gradient of the mean loss; that has norm "
        f"{np.linalg.norm(outcome.gradient):.4f}, found one of norm "
        f"{np.linalg.norm(outcome.moved):.4f}, off by up to "
        f"{np.abs(outcome.moved - outcome.gradient).max():.2g}",
        example_of(evidence, outcome),
        cause,
        proven=bool(cause),
    )


def example_of(evidence: Evidence, outcome: Outcome) -> Counterexample:
    """The step as code that prints by which gradient `gain` has moved."""
    case, limit = outcome.case, outcome.max_norm
    pairs = [f"({tokens_code(x)}, {tokens_code(y)})" for x, y in case.micro_batches()]
    code = [
        *imports(evidence, NAME),
        *model_code(case.draw),
        "trained = [p for p in model.parameters() if p.requires_grad]",
        "groups = [[p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]]",
        "optimizer = torch.optim.SGD(",
        f'    [{{"params": group}} for group in groups], lr={outcome.learning_rate})',
        *(
            ["for p in trained:", "    p.grad = torch.randn(p.shape)  # of a step before"]
            if case.stale
            else []
        ),
        f"micro_batches = [{', '.join(pairs)}]",
        "before = model.gain.detach().clone()",
        f"loss = train_step(model, optimizer, micro_batches, max_grad_norm={limit})",
        f"print((before - model.gain.detach()) / {outcome.learning_rate})",
    ]
    like = case.model().trained
    expected, found = cut(outcome.gradient, like)[1], cut(outcome.moved, like)[1]
    return Counterexample("\n".join(code), show(expected), show(found))


def _bug(evidence: Evidence, cases: Sequence[Case]) -> str:
    """The bug with which the oracle moves the parameters just so in all these cases."""
    left: dict[str, None] = dict.fromkeys([*GRADIENTS, *CLIPS, *_OTHERS])
    for case in cases:
        outcome = carry_out(evidence, case)
        # Where a bug would show and does not, it is not this one.
        names = {name for name, wrong in _wrong(outcome) if near(outcome.moved, wrong)}
        left = {name: None for name in left if name in names}
    return next(iter(left), "")


def _wrong(outcome: Outcome) -> list[tuple[str, Floats]]:
    """What comes of named bugs."""
    shares, stale, limit = outcome.shares, outcome.stale, outcome.max_norm
    stale = stale if outcome.case.stale else np.zeros_like(stale)
    found = [
        (name, clipped(wrong(shares, stale), limit))
        for name, forms in GRADIENTS.items()
        for wrong in forms
        if name != "no-step" or outcome.case.shapes
    ]
    found += [("step-for-each", _stepped(outcome, *how)) for how in _STEPS]
    if limit is None:
        found += [(name, outcome.gradient) for name in ("clipping-before-division", *CLIPS)]
    else:
        total = sum(each.count for each in shares)
        like = outcome.case.model().trained
        added = [each.gradient / total for each in shares]
        parts = [part.ravel() for part in cut(np.sum(added, 0), like)]
        undivided = clipped(np.sum([each.gradient for each in shares], 0), limit)
        found.append(("clipping-before-division", undivided / total))
        found += [(n, wrong(parts, added, limit)) for n, forms in CLIPS.items() for wrong in forms]
    return [(name, wrong) for name, wrong in found if np.isfinite(wrong).all()]


_OTHERS = ("step-for-each", "clipping-before-division")
# How a step for each micro-batch is made: weighed by its share, gradients of those before kept.
_STEPS = ((False, False), (True, False), (True, True))


def _stepped(outcome: Outcome, weighed: bool, kept: bool) -> Floats:
    """What the parameters move by in all if each micro-batch makes a step of its own."""
    model = outcome.case.model()
    theta = start = flat(model.trained)
    gradient = np.zeros_like(theta)
    total = sum(each.count for each in outcome.shares)
    for pair in outcome.case.micro_batches():
        each = share(model.updated(cut(theta, model.trained)), pair)
        own = each.gradient / (total if weighed else each.count)
        gradient = clipped(gradient * kept + own, outcome.max_norm)
        theta = theta - outcome.learning_rate * gradient
    return (start - theta) / outcome.learning_rate
