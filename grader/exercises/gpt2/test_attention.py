"""Requirements of CausalSelfAttention."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given

from grader.check import Failure, NotRun, check
from grader.exercises.gpt2 import biases, causality, common, heads, larger, long
from grader.exercises.gpt2.shared import Part
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import HUGE, LARGE, SMALL, UNIT, Case, cases
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import CLOSE

NAME = "CausalSelfAttention"
PART = Part(NAME, "attention")
SEQUENCES = cases(sizes.ATTENTION, times=(2, 5), regimes=(UNIT, LARGE))


test_signature = PART.signature(
    "The class takes embed_dim, num_heads, block_size and an optional dropout_p.",
    "Four arguments: embed_dim, num_heads, block_size, and dropout_p with a default.",
)


test_shape = PART.shape(
    "The output has the input's shape (B, T, C), dtype and device, for any T up to block_size.",
    "What comes in comes out: same shape, same dtype.",
    "Print x.shape and y.shape for T = 1, for T = block_size, and for a float64 model.",
    "Cut the mask to [:T, :T], and make no tensor in forward without taking dtype and device "
    "from x.",
    times=(1, 7),
)


@check(
    "attention.block_size",
    NAME,
    1,
    hints=(
        "Is any length written into your code as a number?",
        "Try block_size = 130 with T = 130.",
        "Make the mask from block_size, or from T in forward.",
    ),
)
def test_block_size(evidence: Evidence) -> None:
    """A sequence may be as long as block_size; that, embed_dim and num_heads may be any size."""
    long.check_long(evidence, NAME)
    larger.check_attention(evidence)


@check(
    "attention.causal",
    NAME,
    20,
    hints=(
        "Which positions may position t look at?",
        "Print the attention weights of one head as a T × T matrix: which triangle is zero?",
        "Set scores above the diagonal to minus infinity before the softmax; keep the diagonal.",
    ),
    examples=16,
)
@given(case=cases(sizes.ATTENTION, times=(2, 5), regimes=(UNIT, SMALL)))
def test_causal(evidence: Evidence, case: Case) -> None:
    """Each position attends to itself and to every earlier position, and to no later one."""
    causality.check_no_leak(evidence, case)
    causality.check_no_leak_when_long(evidence)
    # A mask of minus 50 holds until scores are large: many sequences, so that some row has them.
    causality.check_no_leak(evidence, replace(case, batch=32, regime=HUGE))
    causality.check_gradient(evidence, case)
    if case.regime is UNIT:
        causality.check_visible(evidence, case)
        causality.check_no_leak_in_training(evidence, case, (0.0, 0.4)[case.draw % 2])


@check(
    "attention.rows_sum_to_one",
    NAME,
    2,
    hints=(
        "Attention is a weighted average: what must the weights of one position sum to?",
        "Print weights.sum(-1), after masking and after everything else you do to them.",
        "Softmax over the last axis (the keys), and after masking, so that nothing is lost.",
    ),
)
@given(case=SEQUENCES)
def test_rows_sum_to_one(evidence: Evidence, case: Case) -> None:
    """The attention weights of a position over its past sum to one."""
    experiment = evidence.experiment(NAME, case)
    constant = np.repeat(experiment.x[:, :1], case.time, axis=1)
    alone, together = experiment.module.outputs([constant[:, :1], constant], experiment.theta)
    expected = np.repeat(alone, case.time, axis=1)
    if not common.same(expected, together, CLOSE):
        raise Failure(
            "with the same vector at every position, every output must be the one that this "
            "vector gives alone, since averaging equal things changes nothing",
            experiment.counterexample(
                "x = x[:, :1].expand_as(x).contiguous()",
                "print(model(x) - model(x[:, :1]))",
                expected="zeros",
                found=together - expected,
            ),
            "mask-after-softmax",
        )
    huge = evidence.experiment(NAME, replace(case, batch=32, regime=HUGE))
    huge.module.call(huge.x, huge.theta)  # which is finite: a softmax by hand may overflow


@check(
    "attention.order",
    NAME,
    1,
    hints=(
        "Does attention itself know where a token stands?",
        "Swap two past vectors: the last output should not care. What in your code does?",
        "Heads and time must not be mixed: view(B, T, H, D) and then transpose, never "
        "view(B, H, T, D).",
    ),
)
@given(case=cases(sizes.ATTENTION[:1] + sizes.ATTENTION[2:], times=(3, 5), regimes=(UNIT,)))
def test_order(evidence: Evidence, case: Case) -> None:
    """The order of the past makes no difference to a position's output."""
    if evidence.asked.positions == "alibi":
        heads.expect_distance_felt(evidence, case)
        return
    experiment = evidence.experiment(NAME, case)
    seen = slice(-evidence.asked.window or None, -1)  # the past that the last position sees
    before, after = causality.shuffled(experiment, seen)
    if not common.same(before, after, CLOSE):
        # Where there is one head, no view mixes heads.
        size = sizes.ATTENTION[2]
        alone = replace(case, size=size, time=min(case.time, size["block_size"]))
        first, second = causality.shuffled(evidence.experiment(NAME, alone), seen)
        raise Failure(
            "the last position's output changes when the positions before it change places",
            experiment.counterexample(
                "shuffled = x.clone()",
                f"shuffled[:, {seen.start or ''}:-1] = x[:, {seen.start or ''}:-1].roll(1, dims=1)",
                "print((model(shuffled) - model(x))[:, -1])",
                expected="zeros",
                found=after - before,
            ),
            "heads-mixed-view" if common.same(first, second, CLOSE) else "",
        )


@check(
    "attention.batch",
    NAME,
    1,
    hints=(
        "Sequences in a batch have nothing to do with one another.",
        "Run one sequence alone and in a batch, and compare.",
        "Look for a mean, a softmax or a reshape over axis 0.",
    ),
)
@given(case=cases(sizes.ATTENTION, batches=(2, 3), regimes=(UNIT,)))
def test_batch(evidence: Evidence, case: Case) -> None:
    """The sequences of a batch are independent of one another."""
    common.check_batch(evidence, NAME, case)


@check(
    "attention.heads",
    NAME,
    2,
    hints=(
        "How many different weighted averages does your attention form for one position?",
        "Print the shape of the scores: is there an axis of size num_heads in it?",
        "Split C into (num_heads, C / num_heads) and move heads beside the batch before q @ kᵀ.",
    ),
    examples=6,
)
@given(case=cases(sizes.ATTENTION, times=(2, 2), regimes=(UNIT,)))
def test_heads(evidence: Evidence, case: Case) -> None:
    """There are exactly num_heads heads, each of embed_dim / num_heads channels."""
    # For positions x + u and x, output(x) minus what x gives alone is a sum over heads of
    # weight(x) * (a fixed vector): as x varies it spans one dimension a head.
    experiment = evidence.experiment(NAME, case)
    size, heads = case.size["embed_dim"], case.size["num_heads"]
    last = experiment.rng.normal(0.0, 1.5, (60, 1, size))
    step = experiment.rng.normal(0.0, 1.5, (1, 1, size))
    alone, pairs = experiment.module.outputs(
        [last, np.concatenate([last + step, last], axis=1)],
        experiment.module.random(experiment.rng, 0.8),
    )
    strengths = np.linalg.svd((pairs[:, 1] - alone[:, 0]), compute_uv=False)
    found = int((strengths > CLOSE * strengths[0]).sum()) if strengths[0] > 0 else 0
    if found != heads:
        raise Failure(
            f"expected {heads} independent attention patterns for num_heads={heads}, "
            f"embed_dim={size}; found {found}"
        )


@check(
    "attention.projections",
    NAME,
    1,
    hints=(
        "What is learned in an attention, and how many matrices is that?",
        "Count the elements of your parameters: four C × C matrices, plus biases if you like.",
        "Queries, keys and values are three separate projections of x; a fourth mixes the heads.",
    ),
)
def test_projections(evidence: Evidence) -> None:
    """Queries, keys and values are learned projections of the input, and so is the output."""
    for size in sizes.ATTENTION:
        try:
            layout = evidence.layouts.attention(size)
        except LayoutNotFound as misfit:
            raise Failure(
                "the parameters cannot be read as query, key, value and output projections: "
                f"{misfit} (embed_dim={size['embed_dim']}, num_heads={size['num_heads']})"
            ) from None
        heads.expect_shared(layout, size)
        biases.expect_none(evidence, NAME, size, layout)
        trained = evidence.models.weighed(NAME, size).trainable
        for what in ("query", "key", "value", "out"):
            if not trained[getattr(layout, what)].all():
                message = f"the {what} projection is frozen: its weights are not trained"
                raise Failure(message, cause="frozen-weight")


@check(
    "attention.scale",
    NAME,
    2,
    hints=(
        "How does the variance of a dot product grow with the number of terms?",
        "Print the factor by which you multiply q @ kᵀ, and the width of one head.",
        "Divide the scores by the square root of head_dim = embed_dim / num_heads.",
    ),
)
def test_scale(evidence: Evidence) -> None:
    """The scores are scaled by 1/√head_dim before the softmax."""
    for size in sizes.ATTENTION:
        try:
            layout = evidence.layouts.attention(size)
        except LayoutNotFound as misfit:
            raise NotRun(
                f"cannot be measured before queries and keys can be told apart: {misfit}"
            ) from None
        head_dim = size["embed_dim"] // size["num_heads"]
        if abs(layout.scale * math.sqrt(head_dim) - 1.0) > 1e-3:
            raise Failure(
                f"expected a factor of 1/√{head_dim} = {1 / math.sqrt(head_dim):.4f} for "
                f"head_dim = {size['embed_dim']}/{size['num_heads']} = {head_dim}, "
                f"measured {layout.scale:.4f}"
            )


@check(
    "attention.equals",
    NAME,
    4,
    hints=(
        "All parts may be there and yet be put together differently.",
        "Compute one head of one position by hand for T = 2 and compare.",
        "softmax(q kᵀ / √head_dim, masked) v, heads side by side again, then the output "
        "projection.",
    ),
    examples=20,
)
@given(case=cases(sizes.ATTENTION))
def test_equals(evidence: Evidence, case: Case) -> None:
    """With the same weights, the output is that of GPT-2's attention."""
    try:
        layout = evidence.layouts.attention(case.size)
    except LayoutNotFound as misfit:
        what = common.whose(evidence, "attention")
        raise Failure(f"the parameters cannot be read as those of {what}: {misfit}") from None
    experiment = evidence.weighed_experiment(NAME, case)
    expected = layout.compute(experiment.theta, experiment.x)
    common.equality(experiment, expected, common.whose(evidence, "attention"), evidence)


test_dropout = PART.dropout(
    1, "nn.Dropout(dropout_p) on the attention weights or on the output; nothing when p is 0."
)


test_deterministic = PART.deterministic()


test_gradients = PART.gradients(3, (3, 4), ": no detach, no .data, no numpy, no no_grad")


test_ways = PART.ways()
