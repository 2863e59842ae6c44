"""Which other GPT-2 a part is than the one that is asked for with twists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product

from grader.gpt2 import sizes, twists
from grader.gpt2.diagnosis.draws import draws, explains
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import LayoutNotFound, find_heads
from grader.gpt2.layouts.mlp import find_mlp
from grader.gpt2.models import Size
from grader.gpt2.oracle import Activation, Attention, Floats, Mlp, attention, mlp
from grader.gpt2.specification import GPT2, Specification
from grader.sandbox.client import CandidateError

_ATTENTION = ("window", "positions", "keys", "qk_norm")
_SIZES = tuple(size for size in sizes.ATTENTION if size["num_heads"] > 1)


def attention_causes(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of what a CausalSelfAttention has, and has not, in place of what is asked."""
    fitting: list[set[Specification]] = []
    for size in _SIZES:
        with suppress(LayoutNotFound, CandidateError):
            fitting.append(set(_attentions(evidence, size)))
    return _told(evidence.asked, set.intersection(*fitting) if fitting else set())


def _attentions(evidence: Evidence, size: Size) -> Iterator[Specification]:
    """Those that compute what it computes."""
    asked = evidence.asked
    module = evidence.models.weighed("CausalSelfAttention", size)
    known = draws(evidence, "CausalSelfAttention", size)
    box, rng = module.at(""), evidence.layouts.rng()
    for normed in (False, True):
        layout = find_heads(box, size["embed_dim"], rng, replace(GPT2, qk_norm=normed))
        for found in others(asked, _ATTENTION):
            right = replace(layout, asked=found)
            if found.qk_norm != normed or not right.shares_as_asked:
                continue
            if explains(known, partial(_attended, found), layout.weights):
                yield found


def _attended(asked: Specification, x: Floats, weights: Attention) -> Floats:
    return attention(x, weights, asked)


def mlp_causes(evidence: Evidence) -> tuple[str, ...]:
    """The same of an MLP."""
    fitting: list[set[Specification]] = []
    for size in sizes.MLP:
        fitting.append(set())
        known = draws(evidence, "MLP", size)
        box = evidence.models.weighed("MLP", size).at("")
        for found in others(evidence.asked, ("mlp",)):
            with suppress(LayoutNotFound, CandidateError):
                layout = find_mlp(box, size["embed_dim"], evidence.layouts.rng(), found)
                function = layout.activation
                if function is None or layout.width != found.width(size["embed_dim"]):
                    continue
                if explains(known, partial(_fed, function), layout.weights):
                    fitting[-1].add(found)
    return _told(evidence.asked, set.intersection(*fitting))


def _fed(activation: Activation, x: Floats, weights: Mlp) -> Floats:
    return mlp(x, weights, activation)


def others(asked: Specification, fields: tuple[str, ...]) -> Iterator[Specification]:
    """All that might have been asked for in place of it, as far as these fields go."""
    values = [
        dict.fromkeys(
            [getattr(asked, name), getattr(GPT2, name), *twists.values(name)],
        )
        for name in fields
    ]
    for chosen in product(*values):
        yield replace(asked, **dict(zip(fields, chosen, strict=True)))


def _told(asked: Specification, fitting: set[Specification]) -> tuple[str, ...]:
    """The slugs of the one that is nearest to what is asked."""
    told = sorted((twists.causes(asked, found) for found in fitting), key=len)
    return told[0] if told else ()
