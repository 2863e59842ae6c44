"""Requirements of GPT2, judged on the candidate's own blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from grader.check import Failure, NotRun, check
from grader.exercises.gpt2 import (
    assembly,
    biases,
    bounds,
    common,
    dropout,
    known,
    larger,
    long,
    usable,
)
from grader.exercises.gpt2.shared import Part
from grader.gpt2 import imports, sizes, twists
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import UNIT, Case, cases, worst
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import ABSENT, CLOSE
from grader.gpt2.models import block_size_of
from grader.gpt2.norms import SMALL_EPS

NAME = "GPT2"
PART = Part(NAME, "gpt2", points=0.5, kind="model", given="tokens", argument="idx", output="logits")
FROZEN = "frozen-weight"


@check("gpt2.imports", NAME, 2, hints=imports.HINTS)
def test_imports(evidence: Evidence) -> None:
    """The file parses, and importing it ends by itself and needs nothing but torch."""
    imports.check_imports(evidence)
    common.expect_written(evidence, NAME)


test_signature = PART.signature(
    "The class takes vocab_size, embed_dim, num_heads, num_layers, block_size, and dropout_p.",
    "Six arguments, the last with a default.",
)


test_shape = PART.shape(
    "Logits have shape (B, T, vocab_size) for any B ≥ 1 and any 1 ≤ T ≤ block_size.",
    "What shape do logits have, and for which positions are they wanted?",
    "Print logits.shape for T = 1 and for T = block_size.",
    "One row of vocab_size logits for every position: (B, T, vocab_size), a plain tensor.",
    times=(1, 7),
)


@check(
    "gpt2.usable",
    NAME,
    10.5,
    hints=(
        "Could this model learn to predict the next token, and how would you find out?",
        "Feed one token repeated, change the last token, halve one block's weights: what changes?",
        "Positions, every block, raw logits, no look ahead and a gradient: nothing works without.",
    ),
)
def test_usable(evidence: Evidence) -> None:
    """The model can be trained and used: what a language model cannot do without is there."""
    usable.check_usable(evidence)


@check(
    "gpt2.tokens",
    NAME,
    1,
    hints=(
        "How does a token index become a vector?",
        "Change one row of the token table: for which tokens do the logits change?",
        "nn.Embedding(vocab_size, embed_dim), trained, and added as it is.",
    ),
)
def test_tokens(evidence: Evidence) -> None:
    """Every token has a learned embedding of its own, added as it is."""
    for size, layout in assembly.meets(evidence, "tokens"):
        module = evidence.models.weighed(NAME, size)
        if not module.trainable[layout.tokens].all():
            raise Failure(
                "the token embedding is frozen: its weights are not trained",
                cause="token-embedding-frozen",
            )
    larger.check_model(evidence)
    bounds.check_many_tokens(evidence)


@check(
    "gpt2.positions",
    NAME,
    1.5,
    hints=(
        "How does the model know where a token stands?",
        "Feed the same token at every position of a long sequence: are the logits all different?",
        "A learned table of block_size rows; position t = 0, 1, … adds row t to the token.",
    ),
)
def test_positions(evidence: Evidence) -> None:
    """Every position up to block_size has a learned embedding of its own, added to the token's."""
    layouts = assembly.meets(evidence, "positions")
    for size, layout in layouts:
        module = evidence.models.weighed(NAME, size)
        if evidence.asked.positions != "learned":
            continue
        if layout.positions is None or not module.trainable[layout.positions].all():
            raise Failure(
                "the position embedding is not learned: its weights are not trained",
                cause="position-not-trainable",
            )
        steps = np.diff(layout.positions[:, 0])
        if (steps != abs(steps[0])).any():
            evidence.advise(
                "position-rows-in-another-order",
                "Position t reads a row of the position table other than row t. Every position "
                "has a row of its own, so this is right; GPT-2's own weights would not fit.",
            )
        if len(layout.positions) > size["block_size"]:
            evidence.advise(
                "long-position-table",
                f"The position table has {len(layout.positions)} rows for block_size = "
                f"{size['block_size']}; the last ones are never used.",
            )
    try:
        long.check_long(evidence, NAME)
        if evidence.asked.positions != "alibi":
            bounds.check_many_positions(evidence)
    except Failure as failure:
        if failure.cause == "position-table-too-small" and assembly.counts_tokens(
            evidence, layouts
        ):
            raise Failure(
                f"the position table has vocab_size rows, not block_size: it {failure.message} "
                "when vocab_size is lower",
                cause="position-table-of-vocab-size",
                proven=True,
            ) from None
        raise


@check(
    "gpt2.layers",
    NAME,
    1.5,
    hints=(
        "How many sets of weights do num_layers blocks have?",
        "Count model.parameters() for num_layers = 1, 2 and 3.",
        "nn.ModuleList([TransformerBlock(…) for _ in range(num_layers)]), each called once.",
    ),
)
def test_layers(evidence: Evidence) -> None:
    """There are exactly num_layers blocks, each with weights of its own and each used once."""
    for size in sizes.MODEL + sizes.large(NAME, evidence.seed):
        module = evidence.models.module(NAME, size)
        blocks = module.own("TransformerBlock")
        if len(blocks) > size["num_layers"] and evidence.layouts.drop_spare(NAME, size):
            module = evidence.models.module(NAME, size)
            blocks = module.own("TransformerBlock")
        if not blocks and (size not in sizes.MODEL or assembly.unrolled(evidence, size)):
            continue
        if len(blocks) != size["num_layers"]:
            raise Failure(
                f"expected {size['num_layers']} registered TransformerBlocks for "
                f"num_layers={size['num_layers']}, found {len(blocks)}",
                cause=assembly.why_so_many(evidence),
            )
        shared = assembly.shared_by_blocks(module)
        if shared:
            raise Failure("some of the blocks share their weights", cause=shared)
    assembly.meets(evidence, "layers")


@check(
    "gpt2.final_norm",
    NAME,
    1,
    hints=(
        "What happens between the last block and the head?",
        "Print mean and standard deviation of what the head receives.",
        "One more LayerNorm of its own, after the last block.",
    ),
)
def test_final_norm(evidence: Evidence) -> None:
    """A LayerNorm of its own stands between the last block and the head."""
    for size, layout in assembly.meets(evidence, "final_norm"):
        if layout.norm_cause:
            told = twists.explanation(layout.norm_cause, evidence.asked)
            raise Failure(
                told or f"the final norm is not a LayerNorm with weights ({layout.norm_cause})"
            )
        biases.expect_none_in(evidence, NAME, size, (layout.norm,), layout.head_bias)
        if (layout.norm.weight == ABSENT).any():
            raise Failure("the final norm has no learnable weight", cause="layernorm-no-affine")
        if not evidence.models.weighed(NAME, size).trainable[layout.norm.weight].all():
            raise Failure("the final norm is frozen: its weight is not trained", cause=FROZEN)
        if layout.norm.eps > SMALL_EPS:
            raise Failure(
                "expected a small eps such as 1e-5 in the final norm, measured "
                f"{layout.norm.eps:.3g}",
                cause="eps-too-large",
            )


@check(
    "gpt2.logits",
    NAME,
    1,
    hints=(
        "What does cross_entropy expect: logits or probabilities?",
        "Sum exp(logits) over the vocabulary: it should be nothing special.",
        "Return the head's output as it is: no softmax, no scaling.",
    ),
)
def test_logits(evidence: Evidence) -> None:
    """The output is raw logits over the vocabulary, a linear function of the normed stream."""
    for size, layout in assembly.meets(evidence, "logits"):
        assembly.expect_head(layout)
        if (layout.head_bias >= 0).any():
            evidence.advise("head-bias", "The head has a bias; GPT-2's has none. Both are right.")
        if not evidence.models.weighed(NAME, size).trainable[layout.head].all():
            raise Failure("the head is frozen: its weights are not trained", cause=FROZEN)


@check(
    "gpt2.causal",
    NAME,
    1,
    hints=(
        "Which tokens may the logits at position t depend on?",
        "Change the last token: do the logits before it change?",
        "Nothing outside attention may mix positions or sequences.",
    ),
)
@given(case=cases(sizes.MODEL, times=(2, 7), batches=(2, 3), regimes=(UNIT,)))
def test_causal(evidence: Evidence, case: Case) -> None:
    """The logits at a position depend on its own sequence up to there, and on nothing else."""
    experiment = evidence.experiment(NAME, case)
    x = experiment.x
    cut = 1 + case.draw % (case.time - 1)
    changed = x.copy()
    changed[:, cut:] = (x[:, cut:] + 1 + case.draw % 5) % case.size["vocab_size"]
    before, after = experiment.module.outputs([x, changed], experiment.theta)
    if not common.same(before[:, :cut], after[:, :cut]):
        if assembly.blocks_explain(evidence, experiment, (before, after), (x, changed)):
            return
        row, t, _ = worst((after - before)[:, :cut])
        raise Failure(
            f"the logits at position {t} change when tokens from position {cut} on do",
            experiment.counterexample(
                "changed = x.clone()",
                f"changed[:, {cut}:] = (x[:, {cut}:] + {1 + case.draw % 5}) "
                f"% {case.size['vocab_size']}",
                f"print((model(changed) - model(x))[{row}, {t}])",
                expected="zeros",
                found=(after - before)[row, t],
            ),
        )
    alone = [x[b : b + 1] for b in range(case.batch)]
    apart = np.concatenate(experiment.module.outputs(alone))
    if not common.same(before, apart, CLOSE) and not assembly.blocks_explain(
        evidence, experiment, (before,), (x,)
    ):
        common.check_batch(evidence, NAME, case)


@check(
    "gpt2.parts",
    NAME,
    0.5,
    hints=(
        "Do the blocks know what the model was told?",
        "Print the blocks' sizes for another num_heads.",
        "Pass embed_dim, num_heads and block_size on as they came.",
    ),
)
def test_parts(evidence: Evidence) -> None:
    """The blocks inside have the sizes that the model was given."""
    for size in sizes.MODEL + sizes.large(NAME, evidence.seed):
        module = evidence.models.module(NAME, size)
        if long.attention_fails(evidence, size):
            continue  # on its own, too, as its own checks say
        block, paths = block_size_of(size), [p.path for p in module.own("TransformerBlock")]
        other = paths and evidence.models.first_other(module, paths, "TransformerBlock", block)
        if other:
            raise Failure(
                "the blocks inside the model are not TransformerBlock(embed_dim, num_heads, "
                f"block_size) with the model's own sizes ({block})",
                cause=assembly.why_other_blocks(evidence, module, other, block),
            )


@check(
    "gpt2.equals",
    NAME,
    1,
    hints=(
        "All parts may be there and yet be put together differently.",
        "Compute the logits of one token by hand from the model's own parts and compare.",
        "token + position, the blocks in order, final norm, head.",
    ),
    examples=12,
)
@given(case=cases(sizes.MODEL, times=(1, 7)))
def test_equals(evidence: Evidence, case: Case) -> None:
    """With the same weights, the logits are those of GPT-2."""
    try:
        layout = evidence.layouts.model(case.size)
    except LayoutNotFound as misfit:
        what = common.whose(evidence, "model")
        raise Failure(f"the parameters cannot be read as those of {what}: {misfit}") from None
    if not layout.is_asked:
        raise NotRun("the model is put together in another way, see above")
    experiment = evidence.weighed_experiment(NAME, case)
    if known.is_whole(known.whole_model(evidence, layout, case.size), experiment):
        return
    expected = layout.compute(experiment.theta, experiment.x)
    common.equality(
        experiment, expected, f"{common.whose(evidence, 'model')} over the same blocks", evidence
    )
    assembly.compare_whole(evidence, layout, experiment)


@check(
    "gpt2.dropout",
    NAME,
    0.5,
    hints=(
        "Does the model's dropout_p arrive in the blocks?",
        "In train mode with dropout_p = 0.5, call one of the model's own blocks twice.",
        "Pass dropout_p on to every block.",
    ),
    examples=3,
)
@given(case=cases(sizes.MODEL, times=(3, 3), regimes=(UNIT,)))
def test_dropout(evidence: Evidence, case: Case) -> None:
    """dropout_p reaches the blocks in train mode and does nothing in eval mode."""
    dropout.check_inert(evidence, NAME, case)
    dropout.check_passed_on(evidence, case)


test_deterministic = PART.deterministic(
    requirement="In eval mode the same tokens give the same logits, and are not changed.",
    times=(2, 7),
)


test_gradients = PART.gradients(1, (4, 4), requirement="Gradients reach every parameter.")


test_ways = PART.ways()
