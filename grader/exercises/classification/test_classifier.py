"""Requirements of GPT2Classifier: what its class logits are made from."""

from __future__ import annotations

import numpy as np

from grader.check import Failure, check
from grader.exercises.classification.client import Pair
from grader.exercises.classification.common import (
    LONG,
    OTHER,
    SMALL,
    ClassifierHarness,
    rigs,
    tensor,
)
from grader.exercises.classification.readings import look, name, right
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE, difference

PART = "Classifier"
_FULL = 1e-7  # singular values above this, of the largest, count towards a rank


@check(
    "classification.position",
    PART,
    20,
    hints=(
        "Which position has read all of the text, and none of the padding?",
        "Print which position of the hidden states you use for lengths 1, 2 and T.",
        "Take the state after the final norm at lengths - 1, one for each row, and map it "
        "linearly to num_classes logits.",
    ),
)
def test_position(evidence: Evidence) -> None:
    """Class logits are a linear map of the final-normed hidden state at the last real token."""
    for rig, rng in rigs(evidence, 14, SMALL, OTHER, LONG):
        longest = rig.setting.size["block_size"]
        pairs = [rig.pair(rng, 10, longest), rig.pair(rng, 5, longest - 1), rig.pair(rng, 3, 1)]
        draw = int(rng.integers(10_000))
        seen = look(rig, rng, pairs, draw)
        if seen.explained(right):
            continue
        cause = name(rig, seen, pairs[0])
        if not cause and rig.setting is LONG:
            cause = "long-texts-read-wrongly"
        what = f"embed_dim={rig.setting.size['embed_dim']}, T={longest}"
        message = (
            "the class logits are no linear map of the hidden states at the last real tokens "
            f"({what}, lengths from 1 to T)"
        )
        rig.draw(np.random.default_rng(draw))
        _fail_with_a_row(rig, pairs, draw, message, cause)


def _fail_with_a_row(
    rig: ClassifierHarness, pairs: list[Pair], draw: int, message: str, cause: str
) -> None:
    """Raise a Failure, with the shortest batch that shows it where what is expected is known."""
    proven = bool(cause) and cause != "long-texts-read-wrongly"
    known = rig.head_of_classes()
    for idx, lengths in reversed(pairs):
        if known is None or idx.shape[1] > 20:
            continue
        weight, bias = known
        (batch,) = rig.batches([(idx, lengths)])
        expected = batch.last @ weight.T + bias
        (found,) = rig.classifier.logits([(idx, lengths)])
        if difference(found, expected) > CLOSE:
            lines = f"print(model({tensor(idx)}, {tensor(lengths)}))"
            shown = rig.counterexample(draw, lines, expected=expected, found=found)
            raise Failure(message, shown, cause, proven=proven)
    raise Failure(message, cause=cause, proven=proven)


@check(
    "classification.linear",
    PART,
    6,
    hints=(
        "How many weights does a linear map from embed_dim to num_classes have?",
        "Print the shapes of the classifier's parameters that are not the backbone's.",
        "One nn.Linear(embed_dim, num_classes), trained, with nothing but dropout before it.",
    ),
)
def test_linear(evidence: Evidence) -> None:
    """The linear map is learned: any map from embed_dim states to num_classes logits can be."""
    for rig, rng in rigs(evidence, 15, OTHER, SMALL):
        width, classes = rig.setting.size["embed_dim"], rig.setting.num_classes
        # A normed state has embed_dim - 1 directions.
        pair = rig.pair(rng, 3 * width, rig.setting.size["block_size"])
        theta = rig.draw(rng)
        own = rig.own_places()
        if not rig.module.trainable[own].any():
            raise Failure(
                "no parameter is trained but the backbone's", cause="class-head-not-trained"
            )
        if rig.setting is OTHER:
            thetas = [
                np.where(own, rig.module.random(rng, 0.5), theta)
                for _ in range(classes * (width + 1) + 2)
            ]
            outputs = np.array(rig.classifier.at_points(thetas, pair))
            rank = _rank(outputs.reshape(len(thetas), -1))
            wanted = classes * (width - 1)
        else:
            (output,) = rig.classifier.logits([pair])
            rank, wanted = _rank(output - output.mean(0)), min(classes, width - 1)
        if rank < wanted:
            raise Failure(
                f"with embed_dim={width} and num_classes={classes} not every linear map can be "
                f"learned: expected {wanted} directions in which class logits move, found {rank}",
                cause="class-head-too-narrow",
            )


def _rank(matrix: np.ndarray) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > _FULL * max(float(values[0]), 1e-12)).sum())


@check(
    "classification.padding",
    PART,
    10,
    hints=(
        "Does it matter to a text with what it was filled up?",
        "Replace the tokens after the last real one, and cut columns off: what changes?",
        "Use lengths, and no token, to find the last real position; read nothing after it.",
    ),
)
def test_padding(evidence: Evidence) -> None:
    """What stands after the last real token never matters, nor how much of it."""
    for rig, rng in rigs(evidence, 16, OTHER, SMALL, LONG):
        draw = int(rng.integers(10_000))
        rig.draw(np.random.default_rng(draw))
        longest = rig.setting.size["block_size"]
        cases = [(time, _others(rig, rng, time)) for time in {1, 2, longest - 1}]
        pairs = [pair for _, (first, others) in cases for pair in (first, *others)]
        outputs = iter(rig.classifier.logits(pairs))
        for _, (first, others) in cases:
            before = next(outputs)
            for other in others:
                _expect_same(rig, draw, first, other, before, next(outputs))


def _others(rig: ClassifierHarness, rng: np.random.Generator, time: int) -> tuple[Pair, list[Pair]]:
    """A batch whose longest row has `time` tokens, and the same with other padding."""
    longest = rig.setting.size["block_size"]
    idx, lengths = rig.pair(rng, 3, time)
    real = np.arange(longest) < lengths[:, None]
    wide = np.zeros((3, longest), dtype=np.int64)
    wide[:, :time] = idx
    others = [
        np.where(real, wide, filling)
        for filling in (0, rig.setting.size["vocab_size"] - 1, rig.tokens(rng, wide.shape))
    ]
    same_width = rig.tokens(rng, idx.shape)
    others.append(np.where(real[:, :time], idx, same_width))
    return (idx, lengths), [(other, lengths) for other in others]


def _expect_same(
    rig: ClassifierHarness,
    draw: int,
    first: Pair,
    other: Pair,
    before: np.ndarray,
    after: np.ndarray,
) -> None:
    if difference(after, before) < CLOSE:
        return
    row = int(np.abs(after - before).max(1).argmax())
    what = f"{other[0].shape[1]} columns" if first[0].shape != other[0].shape else "as many columns"
    code = None
    if other[0].size < 60:
        code = rig.counterexample(
            draw,
            f"lengths = {tensor(first[1])}",
            f"first = model({tensor(first[0])}, lengths)",
            f"print(model({tensor(other[0])}, lengths) - first)",
            expected="zeros",
            found=after - before,
        )
    raise Failure(
        f"row {row}, of {first[1][row]} real tokens, gets different class logits with other "
        f"padding ({what})",
        code,
        "padding-matters",
    )


@check(
    "classification.rows",
    PART,
    5,
    hints=(
        "Does a sequence know in which company it comes?",
        "Classify the rows of a batch one by one, and compare with the whole batch.",
        "Pick one position for each row with its own length, and keep the rows in order.",
    ),
)
def test_rows(evidence: Evidence) -> None:
    """Every row of a batch gets the class logits that it gets alone."""
    for rig, rng in rigs(evidence, 17, OTHER, SMALL):
        draw = int(rng.integers(10_000))
        rig.draw(np.random.default_rng(draw))
        idx, lengths = rig.pair(rng, 4, rig.setting.size["block_size"])
        order = [2, 0, 3, 1]
        alone = [(idx[n : n + 1], lengths[n : n + 1]) for n in range(4)]
        pairs = [(idx, lengths), (idx[order], lengths[order]), *alone]
        together, shuffled, *apart = rig.classifier.logits(pairs)
        single = np.concatenate(apart)
        for found, expected in ((together, single), (shuffled, single[order])):
            if difference(found, expected) > CLOSE:
                worst = int(np.abs(together - single).max(1).argmax())
                kept = _right_at_first(rig, draw, alone[worst], together[worst])
                raise Failure(
                    "a row gets different class logits in a batch than it gets alone",
                    rig.counterexample(
                        draw,
                        f"idx, lengths = {tensor(idx)}, {tensor(lengths)}",
                        "alone = [model(idx[n:n + 1], lengths[n:n + 1]) for n in range(4)]",
                        "print(model(idx, lengths) - torch.cat(alone))",
                        expected="zeros",
                        found=together - single,
                    ),
                    "state-kept-between-calls" if kept else "batch-mixing",
                )


def _right_at_first(rig: ClassifierHarness, draw: int, alone: Pair, expected: np.ndarray) -> bool:
    """Whether a row that went wrong alone goes right in a classifier that was never called."""
    fresh = ClassifierHarness(rig.evidence, rig.setting, 20, any_backbone=True)
    fresh.draw(np.random.default_rng(draw))
    (found,) = fresh.classifier.logits([alone])
    return difference(found[0], expected) < CLOSE
