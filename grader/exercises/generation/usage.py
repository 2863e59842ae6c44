"""How `generate` uses a model, and leaves it, told by numbers that only that use gives.

The worker's word for it would be the submission's. So the logits of a model hang on its mode and on
whether gradients are recorded, by numbers drawn here: what tokens come out, and what logits the
model gives afterwards, nobody knows who has used it in another way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grader.check import Failure
from grader.exercises.generation.common import Call, random_call
from grader.exercises.generation.oracle import Tokens, greedy
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE, difference

_VOCAB, _NEW = 17, 6


def traced(seed: int, train: bool) -> Call:
    """A call at temperature 0 on a model that tells how it is used."""
    made = random_call(seed, _VOCAB, 8, (2, 3), _NEW, options={"temperature": 0}, train=train)
    traces = np.random.default_rng((seed, 11)).normal(0.0, 5.0, (2, 2, _VOCAB))
    return replace(made, traces=traces)


def check_left(evidence: Evidence, train: bool, recording: bool, cause: str) -> None:
    """Fail unless a model is left as it was: in its mode, where gradients are recorded or not.

    cause: of what this is about, "mode-not-kept" or "recording-not-kept".
    """
    made = traced(evidence.seed, train)
    left = made.run(evidence, recording=recording).left
    for mode, records in ((train, recording), (not train, recording), (train, not recording)):
        expected = made.used(mode, records).logits(np.zeros((1, 1), dtype=np.int64))
        if left is not None and difference(left, expected) < CLOSE:
            break
    else:
        raise Failure("the model is changed afterwards", cause="model-changed")
    if mode != train and cause == "mode-not-kept":
        words = "train" if train else "eval"
        raise Failure(f"a model in {words} mode is not in it afterwards", cause=cause)
    if records != recording and cause == "recording-not-kept":
        words = f"{not recording} afterwards, and was {recording} before"
        raise Failure(f"torch.is_grad_enabled() is {words}", cause=cause)


def check_use(evidence: Evidence, recording: bool) -> None:
    """Fail if gradients are recorded while the model is called."""
    made = traced(evidence.seed, False)
    found = made.run(evidence, recording=recording).output
    if np.array_equal(found, _tokens(made, False)):
        return
    plain = replace(made, traces=None)
    if np.array_equal(found, _tokens(made, True)) or np.array_equal(
        plain.run(evidence, recording=recording).output, _tokens(plain, False)
    ):
        words = "the model is called while gradients are recorded"
        raise Failure(words, cause="gradients-recorded")


def _tokens(made: Call, recording: bool) -> Tokens:
    """What comes out of this use."""
    return greedy(made.used(False, recording), made.idx, made.max_new_tokens, made.block_size, None)
