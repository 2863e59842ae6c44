"""Requirements of finetune_step, judged on the candidate's own classifier."""

from __future__ import annotations

import numpy as np

from grader.check import Failure, check
from grader.exercises.classification.client import read
from grader.exercises.classification.common import (
    OTHER,
    SMALL,
    STEP,
    ClassifierHarness,
    laid_out,
    rigs,
)
from grader.exercises.classification.forms import GRADIENTS, LOSSES, softmax_first
from grader.exercises.classification.step import (
    RATE,
    SAME,
    Step,
    code,
    collinear,
    head_only,
    is_step,
    take,
)
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import difference
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import call, words

PART = "Fine-tuning"
_STALE = 0.5


@check(
    "classification.step_signature",
    PART,
    1,
    hints=(
        "Compare the arguments with the stub's, letter by letter.",
        "max_grad_norm is given by name, and may be left out.",
        "def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a function finetune_step that takes the stub's arguments by name."""
    found = evidence.subject.found_classes()
    if STEP not in found:
        raise Failure(f"expected a function {STEP}, found none", cause="wrong-signature")
    if found[STEP].startswith("not a function"):
        raise Failure(
            f"expected {STEP} to be a function, found {found[STEP]}", cause="wrong-signature"
        )
    rig = ClassifierHarness(evidence, OTHER, 50, any_backbone=True)
    pair = np.array([[1, 2, 3], [4, 0, 0]]), np.array([3, 1])
    rig.classifier.logits([pair])
    given = {"idx": pair[0], "lengths": pair[1], "labels": np.array([0, 1])}
    by_name = {"classifier": rig.module.itself, **given}
    for more in ({}, {"max_grad_norm": None}, {"max_grad_norm": 1.0}):
        optimizer = rig.classifier.optimizer("SGD", RATE)
        try:
            call(evidence.subject, STEP, {**by_name, "optimizer": optimizer, **more})
        except CandidateError as fault:
            if fault.message.startswith("it raised TypeError") and not fault.traceback:
                message = f"{STEP} has {found[STEP]}: {fault.message}"
                raise Failure(message, cause="wrong-signature") from None
            raise


@check(
    "classification.step",
    PART,
    9,
    hints=(
        "What becomes of a parameter in one step of plain gradient descent?",
        "Compare parameter - lr * grad, computed by hand, with the parameter after the step.",
        "The mean cross-entropy of class logits and labels, backward(), optimizer.step(), once.",
    ),
)
def test_step(evidence: Evidence) -> None:
    """The optimizer makes one step along the gradient of the mean cross-entropy."""
    for rig, rng in rigs(evidence, 51, SMALL, OTHER, any_backbone=True):
        for rows in (4, 1):
            step = take(rig, rng, rows)
            if difference(step.taken, step.gradient) < SAME:
                continue
            _fail_step(rig, step)


def _fail_step(rig: ClassifierHarness, step: Step) -> None:
    cause = next(
        (n for n, bug in GRADIENTS.items() if is_step(step, bug(step.gradient, len(step.labels)))),
        "",
    )
    if not cause and head_only(rig, step):
        cause = "finetune-only-the-head"
    if not cause and np.any(step.taken):
        twisted = softmax_first(step.logits, step.labels)
        rig.draw(np.random.default_rng(step.draw))
        _, gradients = rig.classifier.gradient(step.pair, twisted, train=True, seed=5)
        filled = [
            np.zeros(p.shape) if g is None else g
            for g, p in zip(gradients, rig.module.parameters, strict=True)
        ]
        if is_step(step, laid_out(filled)):
            cause = "finetune-softmax-twice"
    if not cause and collinear(step.taken, step.gradient):
        cause = "finetune-gradient-scaled"
    proven = bool(cause)
    if not cause and np.any(step.taken):
        cause = "finetune-another-loss"
    norms = [float(np.linalg.norm(v)) for v in (step.gradient, step.taken)]
    raise Failure(
        f"with SGD of learning rate {RATE} and {len(step.labels)} rows, the parameters do not "
        "move by -lr times the gradient of the mean cross-entropy, whose norm is "
        f"{norms[0]:.4g}; they move by {norms[1]:.4g} times the learning rate",
        rig.counterexample(
            step.draw,
            *code(step, "before = [p.detach().clone() for p in model.parameters()]"),
            f"moved = [(b - p) / {RATE} for b, p in zip(before, model.parameters())]",
            "print(torch.cat([m.flatten() for m in moved]).norm())",
            expected=norms[0],
            found=norms[1],
            train=True,
        ),
        cause,
        proven=proven,
    )


@check(
    "classification.loss",
    PART,
    5,
    hints=(
        "Of which weights is the loss that you return?",
        "Compute the cross-entropy by hand before the step, and compare.",
        "return loss.item(), of the loss with which backward() was called.",
    ),
)
def test_loss(evidence: Evidence) -> None:
    """The mean cross-entropy before the step comes back, as a float."""
    for rig, rng in rigs(evidence, 52, SMALL, any_backbone=True):
        step = take(rig, rng, 5)
        if type(step.returned) is not float:
            raise Failure(
                f"expected a float, found {words(step.returned)}", cause="finetune-loss-not-a-float"
            )
        if abs(step.returned - step.loss) <= SAME * max(1.0, step.loss):
            continue
        values = {name: loss(step.logits, step.after, step.labels) for name, loss in LOSSES.items()}
        close = SAME * max(1.0, abs(step.returned))
        cause = next((n for n, value in values.items() if abs(value - step.returned) < close), "")
        raise Failure(
            f"expected the loss before the step, {step.loss:.6g}, found {step.returned:.6g}",
            rig.counterexample(
                step.draw,
                *code(step),
                "print(loss)",
                expected=step.loss,
                found=step.returned,
                train=True,
            ),
            cause,
            proven=bool(cause),
        )


@check(
    "classification.train_mode",
    PART,
    2,
    hints=(
        "What does dropout do while you train?",
        "Take two steps from the same weights with dropout_p = 0.5: are the losses the same?",
        "Call no eval() in finetune_step.",
    ),
)
def test_train_mode(evidence: Evidence) -> None:
    """The step is made in train mode, in which the classifier is left: dropout acts."""
    rig = ClassifierHarness(evidence, SMALL, 57, any_backbone=True, dropout_p=0.5)
    rng = np.random.default_rng((evidence.seed, 57))
    theta = int(rng.integers(10_000))
    rig.draw(np.random.default_rng(theta))
    pair, labels = rig.pair(rng, 4, 6), rng.integers(0, rig.setting.num_classes, 4)
    plain = ClassifierHarness(evidence, SMALL, 57, any_backbone=True)
    plain.draw(np.random.default_rng(theta))
    optimizer = plain.classifier.optimizer("SGD", RATE)
    kept = plain.classifier.step(optimizer, pair, labels, seed=1).train_mode_unchanged
    chances = rig.second.samples(pair[0], rig.second.initial, [1, 2, 3])
    drops = not all(np.array_equal(chances[0], other) for other in chances)
    without, ends = laid_out(read(plain.module)[0]), []
    for seed in range(1, 5):
        rig.draw(np.random.default_rng(theta))
        optimizer = rig.classifier.optimizer("SGD", RATE)
        rig.classifier.step(optimizer, pair, labels, seed=seed)
        ends.append(laid_out(read(rig.module)[0]))
    # A classifier may have dropout of its own, which acts whether or not the gpt2's does.
    still = without.shape == ends[0].shape and np.allclose(without, ends[0], rtol=1e-9, atol=0)
    if drops and (still or all(np.array_equal(end, ends[0]) for end in ends)):
        raise Failure(
            "for a gpt2 with dropout_p=0.5, the step is the same whatever chance drops",
            cause="finetune-in-eval-mode",
        )
    if not kept:
        raise Failure("a classifier in train mode is not in it afterwards", cause="mode-not-kept")
