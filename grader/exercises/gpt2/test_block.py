"""Requirements of TransformerBlock, judged on the candidate's own attention and MLP."""

from __future__ import annotations

from hypothesis import given

from grader.check import Failure, NotRun, check
from grader.exercises.gpt2 import biases, common, dropout, known, larger, long
from grader.exercises.gpt2.shared import Part
from grader.gpt2 import sizes, twists
from grader.gpt2.block_forms import BLOCKS
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import UNIT, Case, cases
from grader.gpt2.layouts import BlockLayout, LayoutNotFound, find_attention
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size, own_parts
from grader.gpt2.norms import SMALL_EPS
from grader.sandbox.client import Module

NAME = "TransformerBlock"
PART = Part(NAME, "block")


test_signature = PART.signature(
    "The class takes embed_dim, num_heads, block_size and an optional dropout_p.",
    "Four arguments: embed_dim, num_heads, block_size, and dropout_p with a default.",
)


test_shape = PART.shape(
    "The output has the input's shape (B, T, C), dtype and device.",
    "What comes in comes out: same shape, same dtype.",
    "Print x.shape and y.shape for T = 1, for T = block_size, and for a float64 model.",
    "A residual stream never changes its shape: x = x + something of the same shape.",
)


def _meets(evidence: Evidence, requirement: str) -> list[tuple[Size, BlockLayout]]:
    """The block's layouts, or a Failure that says what the block computes in place of GPT-2's."""
    layouts = []
    for size in sizes.BLOCK:
        try:
            layout = evidence.layouts.block(size)
        except LayoutNotFound as misfit:
            raise Failure(f"the parameters cannot be read as those of a block: {misfit}") from None
        if requirement in layout.form.violates:
            raise Failure(
                f"the block computes: {layout.form.formula}. The brief asks for: "
                f"{BLOCKS[evidence.asked.block].formula}"
            )
        layouts.append((size, layout))
    return layouts


@check(
    "block.pre_norm",
    NAME,
    2,
    hints=(
        "Where do the norms of GPT-2 stand, before or after the sublayers?",
        "Write down what attention receives and what is added to x.",
        "x + attn(norm(x)): the norm is on the way into the sublayer, not on the stream.",
    ),
)
def test_pre_norm(evidence: Evidence) -> None:
    """A norm stands before attention and one before the MLP, and none on the residual stream."""
    _meets(evidence, "pre_norm")


@check(
    "block.norms",
    NAME,
    1,
    hints=(
        "How many norms does a block have, over which axis, and what is learned in them?",
        "Print the mean and the standard deviation over the last axis of what attention gets.",
        "Two LayerNorms over embed_dim, each with its own weight (and bias), biased variance and "
        "a small eps.",
    ),
)
def test_norms(evidence: Evidence) -> None:
    """The two norms are distinct LayerNorms over the last axis with learnable weights."""
    causes = {
        "rmsnorm": "the norm does not subtract the mean: that is RMSNorm, not LayerNorm",
        "layernorm-unbiased-variance": "the norm does not divide by the root of the biased "
        "variance (the mean of squares, over C and not C - 1)",
        "layernorm-over-time": "the norm is not over the last axis alone: it mixes positions",
        "layernorm-no-affine": "the norms have no learnable weight and bias",
        "eps-too-large": "the norm's eps is so large that it changes what the norm does; expected "
        "a small one such as 1e-5",
        "batchnorm": "the norm uses running statistics: that is BatchNorm, not LayerNorm",
    }
    for size, layout in _meets(evidence, "norms"):
        if layout.norm_cause:
            told = twists.explanation(layout.norm_cause, evidence.asked)
            raise Failure(told or causes[layout.norm_cause])
        if "norm-shared" in layout.causes:
            raise Failure("both branches use one norm with the same weights", cause="norm-shared")
        biases.expect_none_in(evidence, NAME, size, layout.norms)
        module = evidence.models.weighed(NAME, size)
        for norm in layout.norms:
            if norm.eps > SMALL_EPS:
                raise Failure(
                    f"expected a small eps such as 1e-5 in the norm, measured {norm.eps:.3g}",
                    cause="eps-too-large",
                )
            if not module.trainable[norm.weight].all():
                raise Failure("the norms' weights are not trainable", cause="layernorm-no-affine")
            _note_eps(evidence, norm.eps, norm.eps_outside)


def _note_eps(evidence: Evidence, eps: float, outside: bool) -> None:
    if outside:
        evidence.advise(
            "eps-outside-root",
            f"LayerNorm adds its eps of {eps:.1g} to the standard deviation; GPT-2 adds it to the "
            "variance, inside the root.",
        )
    elif not 0.99e-12 <= eps <= 1.01e-5:
        evidence.advise("odd-eps", f"LayerNorm has an eps of {eps:.1g}; GPT-2 has 1e-5.")


@check(
    "block.residuals",
    NAME,
    9,
    hints=(
        "What is left of x if both sublayers give zero?",
        "Set all weights of attention and MLP to zero: the block must give x back.",
        "x = x + attn(norm1(x)), then x = x + mlp(norm2(x)); the stream itself enters each sum "
        "once.",
    ),
)
def test_residuals(evidence: Evidence) -> None:
    """Each sublayer's output is added to the stream that it came from, once."""
    _meets(evidence, "residuals")


@check(
    "block.order",
    NAME,
    0.5,
    hints=(
        "What does the MLP read: the block's input, or what attention made of it?",
        "Write down the four operations of a block in the order in which you do them.",
        "Attention first; the MLP reads the stream after attention's output was added.",
    ),
)
def test_order(evidence: Evidence) -> None:
    """Attention comes first and the MLP second, each once."""
    _meets(evidence, "order")


@check(
    "block.parts",
    NAME,
    0.5,
    hints=(
        "Do the parts inside the block know what the block was told?",
        "Print the block's parts and their sizes for another num_heads.",
        "Pass embed_dim, num_heads and block_size on as they came.",
    ),
)
def test_parts(evidence: Evidence) -> None:
    """The attention and MLP inside have the sizes that the block was given."""
    of_their_own = False  # they do more inside it than alone, and the block is right with that
    for size in sizes.BLOCK + sizes.large(NAME, evidence.seed):
        module = evidence.models.module(NAME, size)
        own = own_parts(module, "")
        if own is None:
            if size in sizes.BLOCK:
                _check_inline(evidence, size)
            else:
                larger.check_inline_block(evidence, size)
            continue
        narrow = {"embed_dim": size["embed_dim"]}
        attention = evidence.models.same_as_fresh(module, own[0], "CausalSelfAttention", size)
        mlp = evidence.models.same_as_fresh(module, own[1], "MLP", narrow)
        if size in sizes.BLOCK and not (attention and mlp):
            of_their_own = of_their_own or _is_proven(evidence, size)
        if of_their_own:
            continue
        if not attention:
            _check_heads(evidence, module, own[0], size)
        if not mlp:
            raise Failure("the MLP inside the block is not MLP(embed_dim)", cause="width-const")


def _is_proven(evidence: Evidence, size: Size) -> bool:
    """Whether the block from end to end is GPT-2's, with as many heads as it was told."""
    try:
        layout = evidence.layouts.block(size)
    except LayoutNotFound:
        return False
    if not (layout.is_asked and layout.attention and layout.attention.heads == size["num_heads"]):
        return False
    experiment = evidence.weighed_experiment(NAME, Case(size, 2, size["block_size"], UNIT, 0))
    whole = known.whole_block(layout)
    found = experiment.module.call(experiment.x, experiment.theta)
    return whole is not None and (difference(found, whole(experiment.theta, experiment.x)) <= CLOSE)


def _check_inline(evidence: Evidence, size: Size) -> None:
    try:
        layout = evidence.layouts.block(size)
    except LayoutNotFound as misfit:
        if long.sees_future(evidence, NAME, size, size["block_size"]):
            raise Failure(
                "the output of the block at a position changes when later ones do",
                cause="mask-none",
            ) from None
        raise Failure(
            f"no attention and MLP of the brief's can be seen in the block: {misfit}"
        ) from None
    if layout.attention and layout.attention.heads != size["num_heads"]:
        raise Failure(
            f"expected {size['num_heads']} heads in the block, found {layout.attention.heads}",
            cause="hard-coded-heads",
        )


def _check_heads(evidence: Evidence, module: Module, path: str, size: Size) -> None:
    """An attention built with other options may still be right: look into it."""
    try:
        rng = evidence.layouts.rng()
        layout = find_attention(module.at(path), size["embed_dim"], rng, evidence.asked)
    except LayoutNotFound:
        layout = None
    if layout is None or layout.heads != size["num_heads"]:
        raise Failure(
            "the attention inside the block is not CausalSelfAttention(embed_dim, num_heads, "
            f"block_size) for embed_dim={size['embed_dim']}, num_heads={size['num_heads']}"
            + (f": it has {layout.heads} heads" if layout else ""),
            cause="hard-coded-heads",
        )


@check(
    "block.equals",
    NAME,
    1,
    hints=(
        "All parts may be there and yet be put together differently.",
        "Compute both halves of the block by hand from its own parts and compare.",
        "x = x + attn(norm1(x)); x = x + mlp(norm2(x)); return x",
    ),
    examples=12,
)
@given(case=cases(sizes.BLOCK))
def test_equals(evidence: Evidence, case: Case) -> None:
    """With the same weights and parts, the output is that of GPT-2's block."""
    try:
        layout = evidence.layouts.block(case.size)
    except LayoutNotFound as misfit:
        what = common.whose(evidence, "block")
        raise Failure(f"the parameters cannot be read as those of {what}: {misfit}") from None
    if not layout.is_asked:
        raise NotRun("the block is put together in another way, see above")
    experiment = evidence.weighed_experiment(NAME, case)
    whole = known.whole_block(layout)
    if known.is_whole(whole, experiment):
        return
    expected = layout.compute(experiment.theta, experiment.x)
    common.equality(
        experiment, expected, f"{common.whose(evidence, 'block')} over the same parts", evidence
    )
    if whole is not None:
        common.equality(
            experiment, whole(experiment.theta, experiment.x), common.whose(evidence, "block")
        )


@check(
    "block.dropout",
    NAME,
    1,
    hints=(
        "Does the block's dropout_p arrive where it should act?",
        "In train mode, zero the MLP's weights and call twice; then zero attention's.",
        "Pass dropout_p on to both parts, or drop both branches in the block.",
    ),
    examples=3,
)
@given(case=cases(sizes.BLOCK, times=(3, 3), regimes=(UNIT,)))
def test_dropout(evidence: Evidence, case: Case) -> None:
    """dropout_p is felt in train mode on both branches and does nothing in eval mode."""
    dropout.check_inert(evidence, NAME, case)
    for branch in ("attention", "mlp"):
        silent = not dropout.branch_varies(evidence, case.size, branch)
        if silent and dropout.branch_shows(evidence, case.size, branch):
            raise Failure(
                f"with dropout_p = 0.5 in train mode nothing is dropped on the {branch} branch",
                cause=dropout.why_none(evidence, case, branch),
            )


test_deterministic = PART.deterministic(
    "x = x + …, not x += …: the caller's tensor must stay as it is."
)


test_gradients = PART.gradients(2, (3, 3))


test_ways = PART.ways()
