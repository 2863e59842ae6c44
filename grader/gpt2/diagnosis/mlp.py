"""Which deviation from GPT-2's MLP an MLP is."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from grader.gpt2 import sizes
from grader.gpt2.diagnosis.draws import draws, explains
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.guess import declared_mlp
from grader.gpt2.mlp_forms import DEVIANT_MLPS, PAIRED_MLPS, RIGHT_MLPS, width_cause

NAME = "MLP"


def causes(evidence: Evidence) -> tuple[str, ...]:
    """The slugs of deviations that compute what the class computes; or none.

    Searched among the parameters, and then among weights that are computed from them.
    """
    with closing(evidence.models.ways_to_see(NAME, sizes.MLP[0])) as ways:
        return next((found for _ in ways if (found := _causes(evidence))), ())


def _causes(evidence: Evidence) -> tuple[str, ...]:
    widths, fitting = [], []
    for size in sizes.MLP:
        module = evidence.models.weighed(NAME, size)
        known = draws(evidence, NAME, size)
        found = next(
            (
                (len(place.up), form.causes)
                for form in (*RIGHT_MLPS, *DEVIANT_MLPS, *PAIRED_MLPS)
                for place in declared_mlp([p.indices for p in module.parameters], size["embed_dim"])
                if explains(known, form.compute, place.weights)
            ),
            None,
        )
        if found is None:
            return ()
        widths.append(found[0])
        fitting.append(found[1])
    dims = [size["embed_dim"] for size in sizes.MLP]
    if fitting[0] != fitting[1]:
        return ()
    if np.array_equal(widths, 4 * np.array(dims)):
        return fitting[0]
    return (width_cause(widths[0], dims[0], widths[1], dims[1]), *fitting[0])
