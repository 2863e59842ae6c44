"""Requirements of GPT2Classifier: its arguments, its shapes, and that nothing else matters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grader.check import Failure, check
from grader.exercises import contract
from grader.exercises.classification.common import (
    LONG,
    NAME,
    OTHER,
    SCALE,
    SMALL,
    ClassifierHarness,
    rigs,
)
from grader.exercises.gpt2.common import UNCHANGED
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE, difference
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned, call

PART = "Classifier"


def _watched(evidence: Evidence) -> Iterator[Returned]:
    """A forward and a step."""
    rig = ClassifierHarness(evidence, OTHER, 9, any_backbone=True)  # one gpt2 is for one classifier
    pair = rig.pair(np.random.default_rng(0), 3, 4)
    itself = rig.module.itself
    yield call(evidence.subject, "__call__", {}, args=pair, on=itself, watch=True)
    optimizer = rig.classifier.optimizer("SGD", 0.1)
    labels = np.array([0, 1, 1])
    yield rig.classifier.step(optimizer, pair, labels, max_grad_norm=1.0, watch=True)


test_from_scratch = contract.from_scratch(
    "classification",
    "write the classifier and its training",
    "torch, the standard library and your own gpt2.py only.",
    "Only torch, the standard library and one's own gpt2 are used.",
    _watched,
)


test_imports = contract.imports("classification", PART)


@check(
    "classification.signature",
    PART,
    1,
    hints=(
        "Compare names and arguments with the stub's, letter by letter.",
        "Build the class by name and by position, and call it by name and by position.",
        "class GPT2Classifier(nn.Module), __init__(self, gpt2, embed_dim, num_classes) and "
        "forward(self, idx, lengths).",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a class GPT2Classifier that takes the stub's arguments, by name and by position."""
    contract.expect_there(evidence, NAME)
    idx, lengths = np.array([[1, 2, 3], [4, 0, 0]]), np.array([3, 1])
    try:
        rig = ClassifierHarness(evidence, OTHER, 10, any_backbone=True)
        by_position = rig.classifier.logits([(idx, lengths)])[0]
        size = {"embed_dim": OTHER.size["embed_dim"], "num_classes": OTHER.num_classes}
        given = evidence.models.module("GPT2", OTHER.size, seed=11)
        made = call(evidence.subject, NAME, {"gpt2": given.itself, **size}, keep=True)
        arguments = {"idx": idx, "lengths": lengths}
        call(evidence.subject, "eval", {}, on=made.held)
        by_name = call(evidence.subject, "__call__", arguments, on=made.held).output
    except CandidateError as fault:
        if fault.status == "error" and "raised TypeError" in fault.message:
            claimed = evidence.subject.found_classes()[NAME]
            message = f"{NAME} has {claimed}: {fault.message}"
            raise Failure(message, cause="wrong-signature") from None
        raise
    if by_name.shape != by_position.shape:
        raise Failure("built by name it gives a different shape", cause="wrong-signature")


@check(
    "classification.shape",
    PART,
    6,
    hints=(
        "How many logits does a sequence get?",
        "Print the shape for B = 1, for T = 1, and for T = block_size.",
        "One row for each sequence, one column for each class: (B, num_classes), a plain tensor.",
    ),
)
def test_shape(evidence: Evidence) -> None:
    """Class logits have shape (B, num_classes) and the weights' dtype, for any B and T."""
    for rig, rng in rigs(evidence, 12, SMALL, OTHER, LONG, any_backbone=True):
        longest = rig.setting.size["block_size"]
        shapes = ((1, 1), (3, 1), (1, 2), (2, longest), (4, longest - 1))
        pairs = [rig.pair(rng, *shape) for shape in shapes]
        rig.classifier.logits(pairs, strict=True)
        full = rig.tokens(rng, (2, longest)), np.full(2, longest)
        rig.classifier.logits([full], strict=True)
    single = ClassifierHarness(evidence, SMALL, 13, any_backbone=True, dtype="float32")
    single.classifier.logits([single.pair(np.random.default_rng(0), 3, 4)], strict=True)


def _expect_new_states(
    rig: ClassifierHarness, other: ClassifierHarness, rng: np.random.Generator
) -> None:
    """Fail unless the same tensors give different class logits once the weights are others."""
    kept = [i for p in rig.module.parameters if not p.trainable for i in p.indices.flat]
    if not np.array_equal(rig.module.initial[kept], other.module.initial[kept]):
        return  # frozen as they were born: the two never have the same weights
    pair = rig.pair(rng, 3, 6)  # seen by neither of the two
    thetas = [rig.module.random(rng, SCALE) for _ in range(2)]
    (wanted,) = other.classifier.at_points(thetas[1:], pair)
    found = rig.classifier.at_points(thetas, pair, same=True)[1]
    if difference(found, wanted) > UNCHANGED:
        raise Failure(
            "once the weights are changed, the same tensors give the class logits of the weights "
            "before: something is kept by idx",
            cause="state-kept-between-calls",
        )


@check(
    "classification.deterministic",
    PART,
    3,
    hints=(
        "Does anything but weights and arguments go into your class logits?",
        "Call it twice in eval mode, for a gpt2 with dropout_p = 0.5.",
        "No randomness outside of nn.Dropout, and nothing kept from call to call.",
    ),
)
def test_deterministic(evidence: Evidence) -> None:
    """Weights and arguments alone give the class logits, but for dropout in train mode."""
    # A backbone that is not the classifier's own is not reached by eval().
    rig = ClassifierHarness(evidence, SMALL, 18, dropout_p=0.5)
    plain = ClassifierHarness(evidence, SMALL, 19)
    rng = np.random.default_rng((evidence.seed, 18))
    draw = int(rng.integers(10_000))
    for each in (rig, plain):
        each.draw(np.random.default_rng(draw))
    pair, before = rig.pair(rng, 3, 5), rig.pair(rng, 3, 7)
    _, first, again, reseeded = rig.classifier.logits(
        [before, pair, pair, pair], seeds=[1, 1, 1, 2]
    )
    (fresh,) = plain.classifier.logits([pair])
    if difference(first, reseeded) > UNCHANGED:
        raise Failure("in eval mode the class logits depend on chance", cause="dropout-always-on")
    if difference(first, again) > UNCHANGED:
        raise Failure(
            "in eval mode the same arguments give different class logits after another call",
            cause="state-kept-between-calls",
        )
    noisy, other = plain.classifier.logits([pair] * 2, train=True, seeds=[1, 2])
    if np.array_equal(noisy, other) and difference(noisy, fresh) > CLOSE:
        raise Failure(
            "with nothing to drop, the class logits in train mode differ from those in eval mode",
            cause="another-in-train-mode",
        )
    if not plain.classifier.overwrites:
        _expect_new_states(plain, rig, rng)
