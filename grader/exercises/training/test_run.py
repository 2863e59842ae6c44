"""The requirement on all six functions together: a model learns from a text."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from grader.check import Failure, check
from grader.exercises.training.client import RemoteToyModel, run
from grader.exercises.training.common import a_float
from grader.exercises.training.oracle import Floats, Tokens, ToyModel, losses
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import Module

PART = "Training"


# Held out: the last ones of the text.
_HELD_OUT = 513
_STEPS, _ROWS, _BLOCK = 200, 16, 8
_RUN: dict[str, Any] = {
    "steps": _STEPS,
    "batch_size": _ROWS,
    "block_size": _BLOCK,
    "optimizer": {"learning_rate": 1e-2, "weight_decay": 0.1},
    "schedule": {
        "max_learning_rate": 1e-2,
        "min_learning_rate": 1e-3,
        "warmup_steps": 20,
        "total_steps": _STEPS,
    },
    "max_grad_norm": 100.0,
}
# Measured over seeds, on what is held out, in nats: right ones end between 2.3 and 2.85, a model
# that sees the next token mostly at 0.5 to 1.2, gradients that pile up above 3.05, no training at
# 3.58.
LOWER, UPPER = 1.6, 2.95
_SIZE = {"embed_dim": 32, "num_heads": 2, "num_layers": 1, "block_size": _BLOCK}


@cache
def text() -> tuple[Tokens, Tokens, int]:
    """A text's characters as token indices: to train on, held out; and how many kinds there are.

    The beginning of Lewis Carroll's "Alice's Adventures in Wonderland" (1865), which belongs to
    everybody: a few kilobytes that no Python version words differently.
    """
    words = (Path(__file__).parent / "text.txt").read_text(encoding="utf-8").lower()
    kinds = sorted(set(words))
    tokens = np.array([kinds.index(character) for character in words], dtype=np.int64)
    return tokens[:-_HELD_OUT], tokens[-_HELD_OUT:], len(kinds)


@check(
    "training.run",
    PART,
    6,
    hints=(
        "Do the parts work together: does a model learn from a text with them?",
        "Train a small GPT2 on a text for 200 steps with your functions, and print the losses.",
        "It starts near ln(vocab_size) and has to fall. Below what is possible, the model sees the "
        "tokens that it has to guess: look at its mask, and at targets.",
    ),
)
def test_run(evidence: Evidence) -> None:
    """200 steps of your GPT2 on a small text end at a loss that training reaches, and no lower."""
    data, held_out, size = text()
    module = evidence.models.module(
        "GPT2", {"vocab_size": size, **_SIZE}, dtype="float32", seed=evidence.seed
    )
    idx = held_out[:-1].reshape(-1, _BLOCK)
    _remark_on_first_loss(evidence, _loss(module.call(idx), held_out), size)
    told = run(evidence.subject, module.itself, data, seed=evidence.seed, **_RUN)
    for loss in told:
        if type(loss) is not float:
            a_float(loss, "the loss of a step")
    _expect_causal(module, idx)
    final = math.nan
    if all(map(math.isfinite, told)):
        final = _loss(module.call(idx), held_out)
        if final < LOWER:
            raise Failure(
                f"after {_STEPS} steps on a text, its next characters are guessed with a loss of "
                f"{final:.2f} nats: whoever sees only what comes before them is above {LOWER} by "
                "then. Your GPT2 sees what it has to guess",
                cause="sees-the-targets",
            )
    if final <= UPPER:
        return
    # Is it the model? With one that is known to learn, it is seen.
    reached = _with_the_judges_model(evidence, size)
    if not LOWER < reached <= UPPER:
        shown = final if math.isfinite(final) else reached
        raise Failure(
            f"after {_STEPS} steps on a text, its next characters are guessed with a loss of "
            f"{shown:.2f} nats; {UPPER} has to be reached, and a guess among {size} characters has "
            f"{math.log(size):.2f}",
            cause="does-not-learn",
        )
    evidence.advise(
        "slow-to-learn",
        f"With a small model of the grader's, your functions reach a loss of {reached:.2f} on a "
        f"text. Your GPT2 only reached a loss of {final:.2f}: look at its initial weights.",
    )


def _expect_causal(module: Module, idx: Tokens) -> None:
    """Fail if the model sees later tokens, even if it has made no use of that yet."""
    other = idx.copy()
    other[:, -1] = np.roll(idx[:, -1], 1)
    seen, unseen = module.call(idx)[:, :-1], module.call(other)[:, :-1]
    if np.abs(seen - unseen).max() > 1e-3 * (1 + np.abs(seen).max()):
        raise Failure(
            "your GPT2 sees what it has to guess: with another last token its logits at earlier "
            "positions are others",
            cause="sees-the-targets",
        )


def _remark_on_first_loss(evidence: Evidence, first: float, size: int) -> None:
    if abs(first - math.log(size)) > 0.7:
        evidence.advise(
            "first-loss",
            f"The first loss of your GPT2 on a text of {size} characters is {first:.2f}; knowing "
            f"nothing is ln({size}) = {math.log(size):.2f}. Its initial weights make it sure of "
            "what it does not know: GPT-2 draws them with a standard deviation of 0.02.",
        )


def _loss(logits: Floats, held_out: Tokens) -> float:
    each, _ = losses(logits.astype(np.float64), held_out[1:].reshape(logits.shape[:2]))
    return float(each.mean())


def _with_the_judges_model(evidence: Evidence, size: int) -> float:
    """The loss that it ends with, computed here from its parameters."""
    data, held_out, _ = text()
    rng = np.random.default_rng(evidence.seed)
    width = 24
    model = ToyModel(
        rng.normal(0.0, 0.3, (size, width)),
        rng.normal(0.0, 0.1, (_BLOCK, width)),
        np.ones(width),
        rng.normal(0.0, width**-0.5, (width, width)),
        np.zeros(width),
        rng.normal(0.0, width**-0.5, (2, width, width)),
    )
    arrays = [array.astype(np.float32) for array in model.arrays]
    student = RemoteToyModel(evidence.subject, "train_step", arrays)
    run(evidence.subject, student.itself, data, seed=evidence.seed, **_RUN)
    trained = student.state().trained
    if any(a.shape != b.shape for a, b in zip(trained, model.trained, strict=True)):
        raise Failure("after the steps, parameters have different shapes")
    after = model.updated([values.astype(np.float64) for values in trained])
    return _loss(after.logits(held_out[:-1].reshape(-1, _BLOCK)), held_out)
