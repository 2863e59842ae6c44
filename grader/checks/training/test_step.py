"""Requirements of `train_step`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.checks.api import Counterexample, Failure, check
from grader.checks.evidence import Evidence
from grader.checks.experiment import show
from grader.checks.training.common import (
    TIME,
    a_float,
    imports,
    micro_batch,
    model_code,
    tokens_code,
    trainee,
)
from grader.oracle.training import (
    Floats,
    Pair,
    Share,
    Trainee,
    clipped,
    cut,
    flat,
    mean_gradient,
    share,
)
from grader.oracle.training_forms import CLIPS, GRADIENTS
from grader.remote.function import call
from grader.remote.training import State, Student

PART = "Training"
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

    def model(self) -> Trainee:
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
    student: Student
    learning_rate: float
    max_norm: float | None
    shares: list[Share] = field(default_factory=list)
    stale: Floats = field(default_factory=lambda: np.zeros(0))
    returned: Any = None
    state: State | None = None
    mode_kept: bool = True

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
Cases = st.SearchStrategy[Case]


def carry_out(evidence: Evidence, case: Case, dropout_p: float = 0.0) -> Outcome:
    """One call of train_step, with SGD, which shows the gradient."""
    model = case.model()
    rng = np.random.default_rng(case.draw + 2)
    stale = [rng.normal(0.0, 3.0, p.shape) for p in model.trained]
    shares = [share(model, pair) for pair in case.micro_batches()]
    max_norm = None
    if case.share_of_norm is not None:
        max_norm = case.share_of_norm * float(np.linalg.norm(mean_gradient(shares)))
    student = Student(
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
    outcome.returned, outcome.mode_kept = returned.value, returned.mode_kept
    outcome.state = student.state()
    for after, before in zip(outcome.state.trained, model.trained, strict=True):
        if after.shape != before.shape or not np.isfinite(after).all():
            raise Failure("after the step, parameters have other shapes, or are not finite")
    if not np.array_equal(outcome.state.frozen, model.places):
        raise Failure("a parameter with requires_grad=False has moved", cause="frozen-trained")
    return outcome


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
        _example(evidence, outcome),
        cause,
        proven=bool(cause),
    )


def _example(evidence: Evidence, outcome: Outcome) -> Counterexample:
    """The step as code that prints by which gradient `gain` has moved."""
    case, limit = outcome.case, outcome.max_norm
    pairs = [f"({tokens_code(x)}, {tokens_code(y)})" for x, y in case.micro_batches()]
    code = [
        *imports(evidence, NAME),
        *model_code(case.draw),
        "trained = [p for p in model.parameters() if p.requires_grad]",
        f"optimizer = torch.optim.SGD(trained, lr={outcome.learning_rate})",
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
    left: set[str] | None = None
    for case in cases:
        outcome = carry_out(evidence, case)
        if near(outcome.moved, outcome.gradient):
            continue  # where it does not show
        names = {name for name, wrong in _wrong(outcome) if near(outcome.moved, wrong)}
        left = names if left is None else left & names
    found = sorted(left or (), key=[*GRADIENTS, *CLIPS, "step-for-each"].index)
    return found[0] if found else ""


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
    found.append(("step-for-each", _stepped(outcome)))
    if limit is not None:
        total = sum(each.count for each in shares)
        like = outcome.case.model().trained
        added = [each.gradient / total for each in shares]
        parts = [part.ravel() for part in cut(np.sum(added, 0), like)]
        found += [(n, wrong(parts, added, limit)) for n, forms in CLIPS.items() for wrong in forms]
    return [(name, wrong) for name, wrong in found if np.isfinite(wrong).all()]


def _stepped(outcome: Outcome) -> Floats:
    """What the parameters move by in all if each micro-batch makes a step of its own."""
    model = outcome.case.model()
    theta = start = flat(model.trained)
    for pair in outcome.case.micro_batches():
        each = share(model.updated(cut(theta, model.trained)), pair)
        gradient = clipped(each.gradient / each.count, outcome.max_norm)
        theta = theta - outcome.learning_rate * gradient
    return (start - theta) / outcome.learning_rate


_UNEVEN = ((2, 4, 1), (1, 2, 0), (3, 5, 9))
_ONE = Case(((2, 3, 0),), 3)
_OTHERS = [Case(_UNEVEN, 4), Case(((1, 3, 0), (2, 5, 3)), 5)]


def _cases(least: int, most: int, shares: tuple[float | None, ...] = (None,)) -> Cases:
    """Cases with so many micro-batches."""

    def build(count: int, draw: int, share_of_norm: float | None) -> Case:
        drawn = np.random.default_rng(draw).integers((1, 1, 0), (4, TIME + 1, 7), (count, 3))
        shapes = tuple((int(rows), int(time), int(no)) for rows, time, no in drawn)
        return Case(shapes, draw, share_of_norm)

    counts = st.integers(least, most)
    return st.builds(build, counts, st.integers(0, 9999), st.sampled_from(shares))


@check(
    "training.step",
    PART,
    5,
    hints=(
        "Which four things happen in one step, and in which order?",
        "Print the norm of the gradients right before optimizer.step().",
        "zero_grad, forward, backward, step; and leave the model in train mode.",
    ),
    examples=4,
)
@given(case=_cases(1, 1))
def test_step(evidence: Evidence, case: Case) -> None:
    """The optimizer makes one step with the gradient of the mean loss, in train mode."""
    outcome = compare(evidence, case, "training.step", [_ONE])
    state = outcome.state
    assert state is not None
    if not outcome.mode_kept:
        raise Failure("a model in train mode is not in it afterwards", cause="mode-not-kept")
    if any(not train for _, train, recorded in state.calls if recorded):
        raise Failure("the model computes in eval mode: no dropout acts", cause="step-in-eval")


@check(
    "training.fresh_gradients",
    PART,
    3,
    hints=(
        "What do the parameters' gradients hold when your function is called?",
        "Set p.grad = torch.ones_like(p) for every parameter before the call: does that show?",
        "Call optimizer.zero_grad() before the first backward().",
    ),
)
def test_fresh_gradients(evidence: Evidence) -> None:
    """Gradients that were there before count for nothing."""
    for case in (Case(((2, 3, 0),), 6, stale=True), Case(_UNEVEN[:2], 7, stale=True)):
        compare(evidence, case, "training.fresh_gradients", [_ONE])
    _twice_in_a_row(evidence)


def _twice_in_a_row(evidence: Evidence) -> None:
    """Fail unless a second step goes by gradients of its own."""
    outcome = carry_out(evidence, _ONE)
    assert outcome.state is not None
    between = _ONE.model().updated(outcome.state.trained)
    pair = Case(_UNEVEN[:1], 8).micro_batches()
    given = {
        "model": outcome.student.itself,
        "optimizer": outcome.student.sgd,
        "micro_batches": pair,
    }
    call(evidence.subject, NAME, given)
    moved = flat(between.trained) - flat(outcome.student.state().trained)
    right, before = share(between, pair[0]), mean_gradient(outcome.shares)
    own = right.gradient / right.count
    if not near(moved / outcome.learning_rate, own):
        same = near(moved / outcome.learning_rate, own + before)
        raise Failure(
            "a second step does not go by its own gradient alone",
            cause="stale-gradients" if same else "",
        )


@check(
    "training.accumulate",
    PART,
    6,
    hints=(
        "How much should a micro-batch of 3 targets weigh beside one of 30?",
        "Compare the gradients after two micro-batches with those after one batch that holds both.",
        "Weigh each micro-batch's mean loss by its targets that count, over those of all; call "
        "backward for each, zero_grad once before, step once after.",
    ),
    examples=6,
)
@given(case=_cases(2, 4))
def test_accumulate(evidence: Evidence, case: Case) -> None:
    """Several micro-batches, even unequal ones, do what one batch of all their targets does."""
    outcome = compare(evidence, case, "training.accumulate", _OTHERS)
    assert outcome.state is not None
    most = max(rows for rows, _, _ in case.shapes)
    if any(rows > most for rows, _, recorded in outcome.state.calls if recorded):
        raise Failure(
            f"the model was given more rows at once than any of the micro-batches {case.shapes} "
            "has: they are there because memory does not hold them together",
            cause="micro-batches-joined",
        )


@check(
    "training.returned_loss",
    PART,
    4,
    hints=(
        "Which loss does the caller want to see: of which targets, and before the step or after?",
        "Print the losses of all micro-batches, and what you return.",
        "Add up loss.item() times each micro-batch's share of the targets, and return that float.",
    ),
)
def test_returned_loss(evidence: Evidence) -> None:
    """The loss before the step, over all targets that count, comes back as a float."""
    left: set[str] | None = None
    failed: tuple[Outcome, float] | None = None
    for case in (_ONE, *_OTHERS, Case(_UNEVEN, 9, 0.3)):
        outcome = carry_out(evidence, case)
        found = a_float(outcome.returned, "the loss")
        if _near(found, outcome.loss):
            continue
        failed = failed or (outcome, found)
        here = {name for name, wrong in _wrong_losses(outcome) if _near(found, wrong)}
        left = here if left is None else left & here
    if failed is None:
        return
    outcome, found = failed
    example = _example(evidence, outcome)
    raise Failure(
        f"on micro-batches of shapes {[(r, t) for r, t, _ in outcome.case.shapes]} the loss before "
        f"the step is {outcome.loss:.6f}, found {found:.6f}",
        Counterexample(f"{example.code}\nprint(loss)", f"… {outcome.loss:.4f}", f"… {found:.4f}"),
        next(iter(sorted(left or ())), ""),
        proven=bool(left),
    )


def _near(found: float, expected: float) -> bool:
    return abs(found - expected) <= _TOLERANCE * (1 + abs(expected))


def _wrong_losses(outcome: Outcome) -> list[tuple[str, float]]:
    """What comes of named bugs."""
    shares = outcome.shares
    means = [each.loss / each.count for each in shares]
    tokens = sum(each.tokens for each in shares)
    assert outcome.state is not None
    model = outcome.case.model().updated(outcome.state.trained)
    after = [share(model, pair) for pair in outcome.case.micro_batches()]
    count = sum(each.count for each in shares)
    return [
        ("loss-of-one-micro-batch", means[-1]),
        ("loss-of-one-micro-batch", means[-1] / len(means)),
        ("loss-of-one-micro-batch", shares[-1].loss / count),
        ("loss-of-one-micro-batch", means[0]),
        ("loss-not-averaged", float(np.sum(means))),
        ("loss-not-averaged", float(np.sum([each.loss for each in shares]))),
        ("loss-mean-of-means", float(np.mean(means))),
        ("loss-mean-of-means", sum(s.loss * s.tokens / s.count for s in shares) / tokens),
        ("loss-after-the-step", sum(each.loss for each in after) / count),
    ]


@check(
    "training.clip",
    PART,
    6,
    hints=(
        "Of what is the norm, and when is it taken?",
        "Print the norm of all gradients together right before the step, with and without "
        "max_grad_norm.",
        "After the last backward and before the step: the root of the sum of squares over all "
        "parameters; above max_grad_norm, scale them all by max_grad_norm / norm.",
    ),
    examples=5,
)
@given(case=_cases(1, 3, (0.5, 0.1, 1.5, 20.0)))
def test_clip(evidence: Evidence, case: Case) -> None:
    """Gradients are scaled to max_grad_norm if their norm, of all together, is above it."""
    others = [Case(_UNEVEN, 10, 0.5), Case(((2, 3, 0),), 11, 0.2), Case(_UNEVEN, 12, 2.0)]
    compare(evidence, case, "training.clip", others)
