"""What a GPT2 cannot do without: with one of these missing nothing can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import assembly, common
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import UNIT, Case, Experiment

_NAME = assembly.NAME
_SIZE = sizes.MODEL[0]


def check_usable(evidence: Evidence) -> None:
    """Positions and layers count, logits are raw, nothing comes from elsewhere, it can learn."""
    experiment = evidence.experiment(_NAME, Case(_SIZE, 2, _SIZE["block_size"], UNIT, 0))
    x = experiment.x
    last = _SIZE["vocab_size"] - 1  # not 0, which stands for padding in some models
    later, other = x.copy(), x.copy()
    later[:, -1] = (x[:, -1] + 1) % _SIZE["vocab_size"]
    other[1] = (x[1] + 1) % _SIZE["vocab_size"]
    inputs = [x, np.full_like(x, last), later, other]
    logits, alike, *changed = experiment.module.outputs(inputs, experiment.theta)
    _expect_raw(experiment, logits)
    if evidence.asked.positions != "alibi":  # which one token alone does not show
        _expect_positions(experiment, last, alike)
    _expect_layers(experiment, logits)
    _expect_no_leak(evidence, experiment, logits, (later, other), changed)
    _expect_gradient(experiment, logits)


def _expect_raw(experiment: Experiment, logits: np.ndarray) -> None:
    if (logits >= 0).all() and common.same(logits.sum(-1), np.ones(logits.shape[:2])):
        raise Failure(
            "the output of each position sums to one: these are probabilities, and the brief asks "
            "for logits",
            experiment.counterexample(
                "print(model(x).sum(-1))", expected="nothing special", found=logits.sum(-1)
            ),
            "softmax-on-logits",
        )


def _expect_positions(experiment: Experiment, last: int, logits: np.ndarray) -> None:
    """One token, wherever it stands, does not give the same everywhere.

    logits: of the token `last` again and again.
    """
    if np.abs(logits - logits[:, :1]).max() > common.UNCHANGED:
        return
    raise Failure(
        "the same token gives the same logits at every position: the model cannot tell where a "
        "token stands",
        experiment.counterexample(
            f"y = model(torch.full_like(x, {last}))",
            "print((y - y[:, :1]).abs().max())",
            expected="more than 0",
            found="0",
        ),
        "no-position",
    )


def _expect_layers(experiment: Experiment, logits: np.ndarray) -> None:
    """As many blocks move the logits as there are layers; one that is kept besides may be idle."""
    module = experiment.module
    blocks = module.own("TransformerBlock")
    halved = np.tile(experiment.theta, (len(blocks), 1))
    for theta, part in zip(halved, blocks, strict=True):
        theta[module.below(part.path)] *= 0.5
    outputs = module.at_points(experiment.x, halved) if blocks else []
    pairs = zip(blocks, outputs, strict=True)
    idle = [part.path for part, output in pairs if common.same(output, logits)]
    if idle and len(blocks) - len(idle) < _SIZE["num_layers"]:
        raise Failure(f"{idle[0]} has no effect: with half of its weights the logits are the same")


def _expect_no_leak(
    evidence: Evidence,
    experiment: Experiment,
    logits: np.ndarray,
    inputs: tuple[np.ndarray, np.ndarray],
    outputs: Sequence[np.ndarray],
) -> None:
    """Neither the last token nor another sequence is felt before it, but through the blocks.

    inputs: x with another last token, and with another second sequence; outputs: theirs.
    """
    x, (last, other), (after, beside) = experiment.x, inputs, outputs
    for changed, found, leak, what, cause in (
        (
            *(other, beside, (beside - logits)[:1]),
            *("one sequence of a batch changes the logits of another", "batch-mixing"),
        ),
        (
            *(last, after, (after - logits)[:, :-1]),
            *("the last token changes the logits before it", "leak-via-sequence-mean"),
        ),
    ):
        felt = np.abs(leak).max() > common.UNCHANGED * max(1.0, np.abs(logits).max())
        if felt and not assembly.blocks_explain(
            evidence, experiment, (logits, found), (x, changed)
        ):
            raise Failure(what, cause=cause)


def _expect_gradient(experiment: Experiment, logits: np.ndarray) -> None:
    module = experiment.module
    _, gradients = module.gradient(
        experiment.x, experiment.theta, np.cos(np.arange(logits.size)).reshape(logits.shape)
    )
    if not any(gradient is not None and gradient.any() for gradient in gradients):
        raise Failure(
            "no gradient reaches any parameter: the model cannot learn",
            experiment.counterexample(
                "print(model(x).requires_grad)", expected="True", found="False"
            ),
            "no-grad-in-forward",
        )
