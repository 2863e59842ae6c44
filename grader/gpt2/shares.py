"""What is whose of a parameter that several layers have parts of: a row for each, say.

Told from gradients: what a layer's output has one for is its own. Nothing rests on that being
right, as nothing does on a layout: what is found has to equal the oracle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from grader.sandbox.client import Module
from grader.sandbox.client.description import Indices, Parameter, Part

_GAPS = 0.75  # of a stretch has a gradient: those that have none there are zero by chance


def shares(module: Module, size: Mapping[str, int]) -> dict[tuple[str, str], Indices]:
    """The elements that belong to a part, by its path and the name of a parameter of several."""
    uses = Counter((part.kind, name) for part in module.parts for name in part.parameters)
    found = {}
    for part in module.parts:
        names = {name for name in part.parameters if uses[part.kind, name] > 1}
        if part.kind and part.path and names:
            found.update(_used(module, part, names, size))
    return found


def _used(
    module: Module, part: Part, names: set[str], size: Mapping[str, int]
) -> dict[tuple[str, str], Indices]:
    rng = np.random.default_rng(0)
    theta, x = module.random(rng, 0.5), rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))
    _, gradients = module.gradient(x, theta, rng.normal(0.0, 1.0, x.shape), path=part.path)
    return {
        (part.path, parameter.name): _box(parameter, gradient != 0)
        for parameter, gradient in zip(module.parameters, gradients, strict=False)
        if parameter.name in names and gradient is not None and gradient.any()
    }


def _box(parameter: Parameter, felt: np.ndarray) -> Indices:
    """The rows, columns and so on in which something is felt."""
    axes = []
    for axis in range(felt.ndim):
        places = np.flatnonzero(felt.any(tuple(a for a in range(felt.ndim) if a != axis)))
        stretch = np.arange(places[0], places[-1] + 1)
        axes.append(stretch if places.size > _GAPS * stretch.size else places)
    return parameter.indices[np.ix_(*axes)]
