"""Which deviation from GPT-2's attention a CausalSelfAttention is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress

import numpy as np

from grader.gpt2 import oracle, sizes
from grader.gpt2.attention_forms import DEVIANT_ATTENTIONS, GPT2_ATTENTION, AttentionForm, pairs
from grader.gpt2.diagnosis.draws import Draw, draws, explains
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import AttentionLayout, LayoutNotFound
from grader.gpt2.layouts.box import SAME
from grader.gpt2.layouts.guess import (
    AttentionGuess,
    declared_attention,
    guess_attention,
    shared_by_heads,
    shared_by_slices,
)
from grader.gpt2.models import Size
from grader.sandbox.client import CandidateError

NAME = "CausalSelfAttention"
Place = AttentionLayout | AttentionGuess
_MOST_TRIALS = 6000  # of a form with a place: about a second. Counted, for a clock would differ
# Two sizes with other head counts and widths: what fits both is no accident of one.
_OTHER_SCALES = tuple(form for form in DEVIANT_ATTENTIONS if form.steps == {"scale"})
_SIZES = tuple(size for size in sizes.ATTENTION if size["num_heads"] > 1)


def causes(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of a deviation, or of two, that computes what the class computes; or none.

    Searched among the parameters, and then among weights that are computed from them.
    """
    with closing(evidence.models.ways_to_see(NAME, _SIZES[0])) as ways:
        return next((found for _ in ways if (found := _causes(evidence))), ())


def _causes(evidence: Evidence) -> tuple[str, ...]:
    found = _other_heads(evidence)
    if found:
        return found
    first = _SIZES[0]
    known = draws(evidence, NAME, first)
    places = list(_places(evidence, first, early=False))
    for forms in ((GPT2_ATTENTION,), DEVIANT_ATTENTIONS, pairs()):
        for form, place in _fitting(places, forms, known):
            if form is GPT2_ATTENTION or _fits_elsewhere(evidence, form):
                return (*form.causes, *place.causes)
    early = [form for form in DEVIANT_ATTENTIONS if form.early]
    for form, _ in _fitting(_places(evidence, first, early=True), early, known):
        if _fits_elsewhere(evidence, form):
            return form.causes
    return _one_for_all_heads(evidence)


def _other_heads(evidence: Evidence) -> tuple[str, ...]:
    """Whether it is right but for the number of heads (and perhaps for the scale)."""
    heads, scales = [], []
    for size in _SIZES:
        try:
            layout = evidence.layouts.attention(size)
        except LayoutNotFound:
            return ()
        if not explains(draws(evidence, NAME, size), oracle.attention, layout.measured):
            return ()
        heads.append(layout.heads)
        scales.append(layout.scale)
    if heads == [size["num_heads"] for size in _SIZES]:
        return ()
    if set(heads) != {1}:
        return ("hard-coded-heads",)
    wanted = [math.sqrt(size["num_heads"] / size["embed_dim"]) for size in _SIZES]
    split = np.allclose(scales, wanted, rtol=SAME)
    return ("heads-not-split",) if split else ("ignores-num-heads",)


def _one_for_all_heads(evidence: Evidence) -> tuple[str, ...]:
    """The slugs if it is attention whose heads share their projections."""
    fitting = []
    for size in _SIZES:
        parameters = [p.indices for p in evidence.models.weighed(NAME, size).parameters]
        shape = parameters, size["embed_dim"], size["num_heads"]
        places = itertools.chain(shared_by_heads(*shape), shared_by_slices(*shape))
        known = draws(evidence, NAME, size)
        found = next(_fitting(places, (GPT2_ATTENTION, *_OTHER_SCALES), known), None)
        if found is None:
            return ()
        fitting.append((*found[1].causes, *found[0].causes))
    return fitting[0] if fitting[0] == fitting[1] else ()


def _places(evidence: Evidence, size: Size, early: bool) -> Iterator[Place]:
    """Where the weights may be; early: for slips that hide even what one token shows."""
    module = evidence.models.weighed(NAME, size)
    parameters = [p.indices for p in module.parameters]
    embed_dim, heads = size["embed_dim"], size["num_heads"]
    if early:
        yield from declared_attention(parameters, embed_dim, heads)
        return
    try:
        yield evidence.layouts.attention(size)
    except LayoutNotFound:
        rng = evidence.layouts.rng()
        yield from guess_attention(module.at(""), parameters, embed_dim, heads, rng)


def _fitting(
    places: Iterable[Place], forms: Iterable[AttentionForm], known: Sequence[Draw]
) -> Iterator[tuple[AttentionForm, Place]]:
    """Forms that compute what was seen, each with the place of the weights under which it does."""
    tried = itertools.product(forms, list(places))
    for form, place in itertools.islice(tried, _MOST_TRIALS):
        if explains(known, form.compute, place.weights):
            yield form, place


def _fits_elsewhere(evidence: Evidence, form: AttentionForm) -> bool:
    """Whether the form computes what the class computes at another size too."""
    size = _SIZES[1]
    with suppress(CandidateError):
        places = _places(evidence, size, early=form.early)
        known = draws(evidence, NAME, size)
        return any(_fitting(places, (form,), known))
    return False
