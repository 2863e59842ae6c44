"""Whether all that a class computes with is among its parameters."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from grader.check import NotRun
from grader.exercises.gpt2 import common
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError, Module, WorkerLost
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values

_BORN = (7001, 7002)  # two models that have the same parameters and other random numbers


def missing(evidence: Evidence, part: str) -> str:
    """What shows that some weights are no parameters; "" if nothing does."""
    size = sizes.BY_CLASS[part][0]
    with suppress(CandidateError, WorkerLost, NotRun):
        first, second = (evidence.models.module(part, size, seed=seed) for seed in _BORN)
        if not first.initial.size:
            return f"{part} has no parameters at all."
        if not first.trainable.all() or first.initial.size != second.initial.size:
            return ""
        rng = np.random.default_rng(evidence.seed)
        theta = first.random(rng, 0.5)
        x: Values = rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))
        if "vocab_size" in size:
            x = rng.integers(0, size["vocab_size"], (2, 3))
        if _steady(first, theta, x) and not common.same(first.call(x), second.call(x, theta)):
            return "Two models with the same values in all their parameters give different outputs."
    return ""


def _steady(module: Module, theta: Floats, x: Values) -> bool:
    """Whether the output is the same each time, whatever chance would give."""
    once, again, other = (module.call(x, theta, seed=seed) for seed in (1, 1, 2))
    return common.same(once, again) and common.same(once, other)
