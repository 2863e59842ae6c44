"""Requirements of GPT2Classifier: what its class logits are made from."""

from __future__ import annotations

import numpy as np

from grader.checks.api import Failure, check
from grader.checks.classification.common import (
    LONG,
    NAME,
    OTHER,
    SMALL,
    Rig,
    rigs,
    tensor,
)
from grader.checks.classification.readings import look, name, right
from grader.checks.evidence import Evidence
from grader.checks.policy import check_policy
from grader.oracle.layouts.box import CLOSE, difference
from grader.remote import CandidateError
from grader.remote.classification import Pair
from grader.remote.function import call

PART = "Classifier"
_FULL = 1e-7  # singular values above this, of the largest, count towards a rank


@check(
    "classification.from_scratch",
    "Submission",
    0,
    hints=(
        "The exercise is to write the classifier and its training.",
        "Look at your imports.",
        "torch, the standard library and your own gpt2.py only.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch, the standard library and one's own gpt2 are used."""
    check_policy(evidence)


@check(
    "classification.signature",
    PART,
    2,
    hints=(
        "Compare names and arguments with the stub's, letter by letter.",
        "Build the class by name and by position, and call it by name and by position.",
        "class GPT2Classifier(nn.Module), __init__(self, gpt2, embed_dim, num_classes) and "
        "forward(self, idx, lengths).",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a class GPT2Classifier that takes the stub's arguments, by name and by position."""
    found = evidence.subject.found_classes()
    if NAME not in found:
        raise Failure(f"expected a class {NAME}, found none", cause="wrong-signature")
    if found[NAME].startswith("not a class"):
        raise Failure(
            f"expected {NAME} to be a class, found {found[NAME]}", cause="wrong-signature"
        )
    idx, lengths = np.array([[1, 2, 3], [4, 0, 0]]), np.array([3, 1])
    try:
        rig = Rig(evidence, OTHER, 10, any_backbone=True)
        by_position = rig.classifier.logits([(idx, lengths)])[0]
        size = {"embed_dim": OTHER.size["embed_dim"], "num_classes": OTHER.num_classes}
        given = evidence.models.module("GPT2", OTHER.size, seed=11)
        made = call(evidence.subject, NAME, {"gpt2": given.itself, **size}, keep=True)
        arguments = {"idx": idx, "lengths": lengths}
        call(evidence.subject, "eval", {}, on=made.held)
        by_name = call(evidence.subject, "__call__", arguments, on=made.held).output
    except CandidateError as fault:
        if fault.status == "error" and "raised TypeError" in fault.message:
            message = f"{NAME} has {found[NAME]}: {fault.message}"
            raise Failure(message, cause="wrong-signature") from None
        raise
    if by_name.shape != by_position.shape:
        raise Failure("built by name it gives another shape", cause="wrong-signature")


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
        rig.classifier.logits(pairs)
        full = rig.tokens(rng, (2, longest)), np.full(2, longest)
        rig.classifier.logits([full])
    single = Rig(evidence, SMALL, 13, any_backbone=True, dtype="float32")
    single.classifier.logits([single.pair(np.random.default_rng(0), 3, 4)])


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


def _fail_with_a_row(rig: Rig, pairs: list[Pair], draw: int, message: str, cause: str) -> None:
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


def _others(rig: Rig, rng: np.random.Generator, time: int) -> tuple[Pair, list[Pair]]:
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
    rig: Rig, draw: int, first: Pair, other: Pair, before: np.ndarray, after: np.ndarray
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
        f"row {row}, of {first[1][row]} real tokens, gets other class logits with other padding "
        f"({what})",
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
                raise Failure(
                    "a row gets other class logits in a batch than it gets alone",
                    rig.counterexample(
                        draw,
                        f"idx, lengths = {tensor(idx)}, {tensor(lengths)}",
                        "alone = [model(idx[n:n + 1], lengths[n:n + 1]) for n in range(4)]",
                        "print(model(idx, lengths) - torch.cat(alone))",
                        expected="zeros",
                        found=together - single,
                    ),
                    "batch-mixing",
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
    rig = Rig(evidence, SMALL, 18, any_backbone=True, dropout_p=0.5)
    rng = np.random.default_rng(evidence.seed)
    rig.draw(rng)
    pair, other = rig.pair(rng, 3, 5), rig.pair(rng, 2, 7)
    first, _, again, reseeded = rig.classifier.logits([pair, other, pair, pair], seeds=[1, 1, 1, 2])
    if difference(first, again) > 1e-10:
        raise Failure(
            "in eval mode the same arguments give other class logits after another call",
            cause="state-kept-between-calls",
        )
    if difference(first, reseeded) > 1e-10:
        raise Failure(
            "in eval mode the class logits depend on chance",
            cause="dropout-always-on",
        )
    plain = Rig(evidence, SMALL, 19, any_backbone=True)
    plain.draw(rng)
    (quiet,) = plain.classifier.logits([pair])
    first, second = plain.classifier.logits([pair] * 2, train=True, seeds=[1, 2])
    if np.array_equal(first, second) and difference(first, quiet) > CLOSE:
        raise Failure(
            "with nothing to drop, the class logits in train mode are others than in eval mode",
            cause="another-in-train-mode",
        )
