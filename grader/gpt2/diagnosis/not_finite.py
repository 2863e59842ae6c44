"""What is behind NaN in an output: told from what is not NaN, and from when there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count

import numpy as np

from grader.check import NotRun
from grader.gpt2 import sizes
from grader.gpt2.attention_forms import NOT_FINITE_ATTENTIONS, AttentionForm
from grader.gpt2.diagnosis.draws import Draw, fits_where_finite, raw_draws
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.guess import declared_attention
from grader.gpt2.models import Size
from grader.sandbox.client import CandidateError, WorkerLost
from grader.sandbox.client.worker import Values

ATTENTION = "CausalSelfAttention"
_SIZES = tuple(size for size in sizes.ATTENTION if size["num_heads"] > 1)
_QUIET, _LOUD = 1e-3, 1e3  # what is done to weights for which no exponential overflows
_fresh = count(500_000)  # a seed of its own makes a model of its own, that was never called
_INFINITY = r"(?:float\(\s*['\"]-?inf\w*['\"]\s*\)|(?:torch|math|np)\.inf)"
_TIMES_INFINITY = re.compile(rf"\*\s*\(?\s*-?\s*{_INFINITY}|{_INFINITY}\s*\)?\s*\*")


def exact(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of an attention that gives NaN in the same places, and the same numbers else."""
    first, second = (raw_draws(evidence, ATTENTION, size) for size in _SIZES)
    for form in _fitting(evidence, _SIZES[0], NOT_FINITE_ATTENTIONS, first):
        if any(_fitting(evidence, _SIZES[1], (form,), second)):
            return form.causes
    return ()


def _fitting(
    evidence: Evidence, size: Size, forms: Sequence[AttentionForm], known: Sequence[Draw]
) -> Iterator[AttentionForm]:
    module = evidence.models.weighed(ATTENTION, size)
    parameters = [p.indices for p in module.parameters]
    places = list(declared_attention(parameters, size["embed_dim"], size["num_heads"]))
    for form in forms:
        if any(fits_where_finite(known, form.compute, place.weights) for place in places):
            yield form


def observed(evidence: Evidence, part: str) -> tuple[str, str]:
    """The slug that the calls with NaN point to, and what was seen of them."""
    with suppress(CandidateError, WorkerLost, NotRun):
        return _observed(evidence, part)
    return "not-finite", ""


def _observed(evidence: Evidence, part: str) -> tuple[str, str]:
    size = sizes.BY_CLASS[part][0]
    time = min(4, size.get("block_size", 4))
    module = evidence.models.module(part, size, seed=next(_fresh))
    rng = np.random.default_rng(evidence.seed)
    theta = module.random(rng, 0.5)
    x = _input(size, time, rng)
    first, second = module.outputs([x, x], theta, any_values=True)
    if not (np.isfinite(first) == np.isfinite(second)).all():
        return "state-kept-between-calls", (
            "The first call of a model is NaN in other places than the second, with the same input."
        )
    (small,) = module.outputs([x], theta * _QUIET, any_values=True)
    alone, together = module.outputs([x[:, :1], x], theta, any_values=True)
    if np.isfinite(together).all() and np.isfinite(small).all():
        (large,) = module.outputs([x], theta * _LOUD, any_values=True)
        if np.isfinite(large).all():
            return "not-finite", ""
        return "overflow", "Usual weights give finite outputs, large ones do not."
    where = _where(together)
    if part == ATTENTION:
        if where == "position 0":
            return "mask-strict", "Only position 0 is NaN."
        if where == f"position {time - 1}":
            return "mask-anti", "Only the last position is NaN."
        if np.isnan(alone).all() and np.isnan(small).all() and _multiplies_infinity(evidence):
            return "zero-times-infinity", "All of the output is NaN, whatever the weights are."
    zero = "with weights next to zero too, " if np.isnan(small).any() else ""
    first_words = (
        "a single token alone is not finite"
        if not np.isfinite(alone).all()
        else ("a single token alone is finite")
    )
    return "not-finite", f"Not finite: {where} of {time}, {zero}and {first_words}."


def _where(output: Values) -> str:
    """Which positions of (B, T, …) are not finite."""
    good = np.isfinite(np.moveaxis(output, 1, 0).reshape(output.shape[1], -1)).all(1)
    bad = np.logical_not(good)
    places = [str(t) for t in np.flatnonzero(bad)]
    if len(places) == len(bad):
        return "every position"
    return f"position{'s' if len(places) > 1 else ''} {', '.join(places)}" if places else "some"


def _input(size: Size, time: int, rng: np.random.Generator) -> Values:
    if "vocab_size" in size:
        return rng.integers(0, size["vocab_size"], (2, time))
    return rng.normal(0.0, 1.0, (2, time, size["embed_dim"]))


def _multiplies_infinity(evidence: Evidence) -> bool:
    files = evidence.subject.submission.files.values()
    return any(_TIMES_INFINITY.search(text.decode("utf-8", "replace")) for text in files)
