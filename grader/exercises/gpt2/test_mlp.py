"""Requirements of MLP."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from grader.check import Failure, NotRun, check
from grader.exercises.gpt2 import biases, common, larger
from grader.exercises.gpt2.shared import Part
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import LARGE, UNIT, Case, Experiment, cases
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import CLOSE

NAME = "MLP"
PART = Part(NAME, "mlp")
SEQUENCES = cases(sizes.MLP, times=(2, 5), regimes=(UNIT, LARGE))


test_signature = PART.signature(
    "The class takes embed_dim and an optional dropout_p.",
    "Two arguments: embed_dim, and dropout_p with a default.",
)


test_shape = PART.shape(
    "The output has the input's shape (B, T, C), dtype and device.",
    "What comes in comes out: same shape, same dtype.",
    "Print x.shape and y.shape, for a float32 and for a float64 model.",
    "The second layer goes back to embed_dim; no .float() on the way out.",
)


@check(
    "mlp.position_wise",
    NAME,
    1,
    hints=(
        "May one position of the MLP know about another?",
        "Run a single position alone and within a sequence, and compare.",
        "Linear layers act on the last axis only; nothing may mix axis 0 or 1.",
    ),
)
@given(case=SEQUENCES)
def test_position_wise(evidence: Evidence, case: Case) -> None:
    """The same function is applied at every position, on its own."""
    experiment = evidence.experiment(NAME, case)
    x = experiment.x
    alone = x.reshape(-1, 1, case.size["embed_dim"])
    together, apart = experiment.module.outputs([x, alone], experiment.theta)
    if not common.same(together.reshape(apart.shape), apart, CLOSE):
        raise Failure(
            "a position gives a different output in a sequence than alone",
            experiment.counterexample(
                "alone = torch.stack([model(v[None, None])[0, 0] for v in x.flatten(0, 1)])",
                "print(model(x).flatten(0, 1) - alone)",
                expected="zeros",
                found=together.reshape(apart.shape)[:, 0] - apart[:, 0],
            ),
            "leak-via-sequence-mean" if _rows_are_apart(experiment) else "batch-mixing",
        )


def _rows_are_apart(experiment: Experiment) -> bool:
    """Whether each sequence gives alone what it gives in the batch."""
    x = experiment.x
    together, *alone = experiment.module.outputs([x, *(x[b : b + 1] for b in range(len(x)))])
    return common.same(together, np.concatenate(alone), CLOSE)


@check(
    "mlp.width",
    NAME,
    1,
    hints=(
        "How wide is the MLP in the middle?",
        "Print the shapes of your parameters for embed_dim = 16.",
        "The hidden layer has 4 * embed_dim units, whatever embed_dim is.",
    ),
)
def test_width(evidence: Evidence) -> None:
    """The hidden layer has 4 · embed_dim units."""
    for size in sizes.MLP:
        try:
            layout = evidence.layouts.mlp(size)
        except LayoutNotFound as misfit:
            raise NotRun(f"cannot be measured: {misfit}") from None
        expected = evidence.asked.width(size["embed_dim"])
        if layout.width != expected:
            raise Failure(
                f"expected {expected} hidden units for embed_dim = {size['embed_dim']}, found "
                f"{layout.width}"
            )
        trained = evidence.models.weighed(NAME, size).trainable
        if not (trained[layout.up].all() and trained[layout.down].all()):
            raise Failure("a layer is frozen: its weights are not trained", cause="frozen-weight")
    larger.check_mlp(evidence)


@check(
    "mlp.gelu",
    NAME,
    2,
    hints=(
        "Which activation does GPT-2 use, and where?",
        "Feed -1, 0 and 1 through your activation alone: GELU gives -0.159, 0 and 0.841.",
        "nn.GELU() (exact or approximate='tanh') between the two linear layers, and only there.",
    ),
)
def test_gelu(evidence: Evidence) -> None:
    """The activation between the two layers is GELU, exact or in its tanh form."""
    size = sizes.MLP[0]
    try:
        layout = evidence.layouts.mlp(size)
    except LayoutNotFound as misfit:
        raise NotRun(f"cannot be measured: {misfit}") from None
    if layout.activation is None:
        named = {"gelu": "GELU", "relu-squared": "max(z, 0)²", "swiglu": "SiLU"}[layout.asked.mlp]
        chosen = np.argsort(layout.read)[:: max(1, layout.read.size // 6)]
        samples = ", ".join(f"f({layout.read[i]:.3f}) = {layout.given[i]:.4f}" for i in chosen)
        wanted = ", ".join(f"{v:.4f}" for v in layout.usual(layout.read[chosen]))
        raise Failure(f"the activation is not {named}: measured {samples}; {named} gives {wanted}")


@check(
    "mlp.nonlinear",
    NAME,
    3.5,
    hints=(
        "What can two linear layers do that one cannot?",
        "Is the output for 2x twice that for x, but for the biases?",
        "An activation stands between the two layers: down(gelu(up(x))).",
    ),
    examples=2,
)
@given(case=cases(sizes.MLP, times=(2, 3), regimes=(UNIT,)))
def test_nonlinear(evidence: Evidence, case: Case) -> None:
    """The output is no linear function of the input."""
    experiment = evidence.experiment(NAME, case)
    x, other = experiment.x, experiment.normal("other", experiment.x.shape)
    outputs = experiment.module.outputs([x, other, x + other, 0 * x], experiment.theta)
    first, second, together, nothing = outputs
    if common.same(together + nothing, first + second, CLOSE):
        raise Failure(
            "the output is a linear function of the input (and a constant), as a single linear "
            "layer gives it",
            experiment.counterexample(
                "print(model(x + other) + model(0 * x) - model(x) - model(other))",
                expected="anything but zeros",
                found=together + nothing - first - second,
            ),
            "no-activation",
        )


@check(
    "mlp.equals",
    NAME,
    2,
    hints=(
        "All parts may be there and yet be put together differently.",
        "Compute one hidden unit by hand.",
        "down(gelu(up(x))), with nothing before, after or beside it but dropout.",
    ),
    examples=20,
)
@given(case=cases(sizes.MLP))
def test_equals(evidence: Evidence, case: Case) -> None:
    """With the same weights, the output is that of GPT-2's MLP."""
    try:
        layout = evidence.layouts.mlp(case.size)
    except LayoutNotFound as misfit:
        what = common.whose(evidence, "MLP")
        raise Failure(f"the parameters cannot be read as those of {what}: {misfit}") from None
    biases.expect_none(evidence, NAME, case.size, layout)
    experiment = evidence.weighed_experiment(NAME, case)
    expected = layout.compute(experiment.theta, experiment.x)
    common.equality(experiment, expected, common.whose(evidence, "MLP"), evidence)


test_dropout = PART.dropout(0.5, "nn.Dropout(dropout_p) on the output; nothing when p is 0.")


test_deterministic = PART.deterministic()


test_gradients = PART.gradients(3, (3, 4))


test_ways = PART.ways()
