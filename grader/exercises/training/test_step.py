"""Requirements of `train_step`."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises.training.common import TIME, a_float
from grader.exercises.training.oracle import Floats, Share, flat, mean_gradient, share
from grader.exercises.training.steps import (
    Case,
    Outcome,
    carry_out,
    compare,
    example_of,
    expect_left,
    near,
)
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import call

PART = "Training"


_UNEVEN = ((2, 4, 1), (1, 2, 0), (3, 5, 9))
_ONE = Case(((2, 3, 0),), 3)
_OTHERS = [Case(_UNEVEN, 4), Case(((1, 3, 0), (2, 5, 3)), 5)]


def _cases(
    least: int, most: int, shares: tuple[float | None, ...] = (None,)
) -> st.SearchStrategy[Case]:
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
    if not outcome.train_mode_unchanged:
        raise Failure("a model in train mode is not in it afterwards", cause="mode-not-kept")
    if any(not made.train for made in state.calls if made.recorded):
        raise Failure("the model computes in eval mode: no dropout acts", cause="step-in-eval")
    for left in (outcome, carry_out(evidence, _OTHERS[0])):
        expect_left(left)


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
    _expect_own_gradient(evidence)


def _second_step(evidence: Evidence) -> tuple[Floats, Outcome, Share, Any]:
    """By what gradient a second step moves the model; the first step; what the second has to go
    by; and the loss that it gives.
    """
    outcome = carry_out(evidence, _ONE)
    assert outcome.state is not None
    between = _ONE.model().updated(outcome.state.trained)
    pairs = Case(_UNEVEN[:1], 8).micro_batches()
    student = outcome.student
    given = {"model": student.itself, "optimizer": student.sgd, "micro_batches": pairs}
    returned = call(evidence.subject, "train_step", given).value
    after = student.state().trained
    if any(a.shape != p.shape for a, p in zip(after, between.trained, strict=True)):
        raise Failure("after a second step, parameters have different shapes")
    moved = (flat(between.trained) - flat(after)) / outcome.learning_rate
    return moved, outcome, share(between, pairs[0]), returned


def _expect_own_gradient(evidence: Evidence) -> None:
    """Fail unless a second step goes by gradients of its own."""
    moved, outcome, right, _ = _second_step(evidence)
    own = right.gradient / right.count
    if not near(moved, own):
        same = near(moved, own + mean_gradient(outcome.shares))
        raise Failure(
            "a second step does not go by its own gradient alone",
            cause="stale-gradients" if same else "state-kept-between-calls",
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
    _expect_one_at_a_time(case, outcome)
    even = Case(((2, 3, 0), (2, 3, 1), (2, 3, 0)), 13)  # of one shape: these can be joined
    _expect_one_at_a_time(even, compare(evidence, even, "training.accumulate", _OTHERS))


def _expect_one_at_a_time(case: Case, outcome: Outcome) -> None:
    assert outcome.state is not None
    most = max(rows for rows, _, _ in case.shapes)
    calls = [made for made in outcome.state.calls if made.recorded]
    if any(made.rows > most for made in calls):
        raise Failure(
            f"the model was given more rows at once than any of the micro-batches {case.shapes} "
            "has: they are there because memory does not hold them together",
            cause="micro-batches-joined",
        )
    if any(made.held > 0 for made in calls):
        raise Failure(
            f"the model sees a later one of the micro-batches {case.shapes} while one before it is "
            "still in memory for its gradients: they are there because memory does not hold "
            "them together",
            cause="micro-batches-held",
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
        if _is(found, outcome.loss):
            continue
        failed = failed or (outcome, found)
        here = {name for name, wrong in _wrong_losses(outcome) if _is(found, wrong)}
        left = here if left is None else left & here
    if failed is None:
        _, _, right, returned = _second_step(evidence)
        found, expected = a_float(returned, "the loss"), right.loss / right.count
        if not _is(found, expected):
            raise Failure(
                f"the loss of a second step is {expected:.6f}, found {found:.6f}",
                cause="state-kept-between-calls",
            )
        return
    outcome, found = failed
    example = example_of(evidence, outcome)
    raise Failure(
        f"on micro-batches of shapes {[(r, t) for r, t, _ in outcome.case.shapes]} the loss before "
        f"the step is {outcome.loss:.6f}, found {found:.6f}",
        Counterexample(f"{example.code}\nprint(loss)", f"… {outcome.loss:.4f}", f"… {found:.4f}"),
        next(iter(sorted(left or ())), ""),
        proven=bool(left),
    )


def _is(found: float, expected: float) -> bool:
    return abs(found - expected) <= 1e-5 * (1 + abs(expected))


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


_CLIPPED = [Case(_UNEVEN, 10, 0.1), Case(((2, 3, 0),), 11, 0.2), Case(_UNEVEN, 12, 40.0)]


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
    examples=4,
)
@given(case=_cases(1, 3, (0.5, 0.1, 1.5, 20.0)))
def test_clip(evidence: Evidence, case: Case) -> None:
    """Gradients are scaled to max_grad_norm if their norm, of all together, is above it."""
    compare(evidence, case, "training.clip", _CLIPPED)
    # A limit that the first micro-batch alone is above, however small its share; and close ones.
    for limit in (_CLIPPED[0], Case(_UNEVEN, 13, 0.96), Case(_UNEVEN, 14, 1.04)):
        compare(evidence, limit, "training.clip", _CLIPPED)
