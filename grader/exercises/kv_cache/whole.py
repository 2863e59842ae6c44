"""Where the weights of a cached model are: found among its logits for whole texts."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from grader.exercises.kv_cache.client import CachedModel
from grader.exercises.kv_cache.common import model
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import AttentionLayout, LayoutNotFound, ModelSizes
from grader.gpt2.layouts.box import ABSENT, CLOSE, Indices, difference, moved
from grader.gpt2.layouts.whole import LayerLayout, WholeLayout, find_whole
from grader.gpt2.models import Size
from grader.gpt2.search import computed
from grader.sandbox.client import CandidateError

# Small, for all is searched element by element; of one layer, and then as many as are wanted.
MAX_SEARCH_SIZE: tuple[Size, ...] = (
    {"vocab_size": 37, "embed_dim": 4, "num_heads": 2, "num_layers": 1, "block_size": 6},
    {"vocab_size": 43, "embed_dim": 6, "num_heads": 1, "num_layers": 1, "block_size": 7},
)
DEEP: Size = {**MAX_SEARCH_SIZE[0], "num_layers": 3}
_KNOWN: WeakKeyDictionary[Evidence, dict[str, WholeLayout | LayoutNotFound]] = WeakKeyDictionary()
_NUMBER = re.compile(r"\d+")


def layout(evidence: Evidence, size: Size) -> WholeLayout:
    """The layout of a model of this size, found out once. Raises LayoutNotFound."""
    known = _KNOWN.setdefault(evidence, {})
    key = str(size)
    if key not in known:
        try:
            known[key] = _found(evidence, size)
        except LayoutNotFound as misfit:
            known[key] = misfit
    found = known[key]
    if isinstance(found, LayoutNotFound):
        raise found.with_traceback(None)
    return found


def computed_layouts(evidence: Evidence) -> list[tuple[CachedModel, WholeLayout]]:
    """Layouts of weights that the models compute from their parameters, with the models of these,
    if they are shown to hold; none if nothing is computed.

    Such a search takes long: it is made for one size, and carried over to more layers.
    """
    try:
        return _computed_layouts(evidence)
    except CandidateError:  # of weights that cannot be followed: the models themselves may be right
        return []


def _computed_layouts(evidence: Evidence) -> list[tuple[CachedModel, WholeLayout]]:
    shallow = MAX_SEARCH_SIZE[0]
    rng, found = evidence.layouts.rng(), []
    single = _weighed(evidence, shallow)
    if not computed.any_computed(model(evidence, shallow), single, rng):
        return []
    try:
        first = _searched(evidence, single, shallow)
    except LayoutNotFound:
        return []
    deep = _weighed(evidence, DEEP)
    stacked = _stacked(first, single, deep, DEEP)
    for size, weighed, layout_ in ((shallow, single, first), (DEEP, deep, stacked)):
        plain = model(evidence, size)
        free = size is shallow
        if layout_ is None or not computed.holds(plain, weighed, layout_, size, rng, free=free):
            return []
        found.append((weighed, layout_))
    return found


def _weighed(evidence: Evidence, size: Size) -> CachedModel:
    example = np.zeros((2, size["block_size"]), dtype=np.int64)
    return model(evidence, size, weighed=example)


def _found(evidence: Evidence, size: Size) -> WholeLayout:
    made = model(evidence, size)
    if size["num_layers"] > 1:
        single = {**size, "num_layers": 1}
        proposed = _stacked(layout(evidence, single), model(evidence, single), made, size)
        if proposed is not None and equals(made, proposed, evidence.seed):
            return proposed
    return _searched(evidence, made, size)


def _searched(evidence: Evidence, made: CachedModel, size: Size) -> WholeLayout:
    wanted = ("vocab_size", "embed_dim", "num_layers", "block_size")
    evidence.subject.start_clock()
    try:
        return find_whole(
            made.at(""),
            [parameter.indices for parameter in made.parameters],
            ModelSizes(**{key: size[key] for key in wanted}),
            evidence.layouts.rng(),
        )
    except CandidateError as fault:
        if fault.status != "fail":
            raise
        # Weights that are computed may divide by parameters, which a search sets to zero.
        raise LayoutNotFound(fault.message) from None


def equals(made: CachedModel, found: WholeLayout, seed: int) -> bool:
    """Whether a model is the GPT-2 that a layout says it is, on random weights."""
    if found.gelu is None:
        return False
    rng = np.random.default_rng((seed, 5))
    length, vocab = len(found.tables.positions), len(found.tables.tokens)
    for scale, time in ((0.5, length), (1.0, max(1, length - 1)), (0.1, length)):
        theta, idx = made.random(rng, scale), rng.integers(0, vocab, (2, time))
        if not difference(made.call(idx, theta), found.compute(theta, idx)) < CLOSE:
            return False
    return True


def _stacked(
    found: WholeLayout, single: CachedModel, deep: CachedModel, size: Size
) -> WholeLayout | None:
    """The layout of a deeper model in which every layer has what the only one has in `single`.

    Parameters belong together whose names differ in numbers alone: as many for each layer as there
    are for one, in order; or with the layers on their first axis.
    """
    count = size["num_layers"]
    pools: dict[str, list[Indices]] = defaultdict(list)
    for parameter in deep.parameters:
        pools[_NUMBER.sub("#", parameter.name)].append(parameter.indices)
    kinds: dict[str, int] = defaultdict(int)
    for parameter in single.parameters:
        kinds[_NUMBER.sub("#", parameter.name)] += 1
    places = np.full((count, single.initial.size), ABSENT, dtype=np.intp)
    used: dict[str, int] = defaultdict(int)
    for parameter in single.parameters:
        kind = _NUMBER.sub("#", parameter.name)
        number, pool = used[kind], pools[kind]
        used[kind] += 1
        for layer in range(count):
            at = layer * kinds[kind] + number if len(pool) == count * kinds[kind] else number
            if at >= len(pool):
                return None
            indices = pool[at]
            if indices.shape != parameter.shape:
                if indices.shape != (count, *parameter.shape[1:]) or parameter.shape[:1] != (1,):
                    return None
                indices = indices[layer : layer + 1]
            places[layer, parameter.indices.ravel()] = indices.ravel()
    tables, first = found.tables, places[0]
    return WholeLayout(
        replace(
            tables,
            tokens=moved(tables.tokens, first),
            positions=moved(tables.positions, first),
            norm=tables.norm.inside(first),
            head=moved(tables.head, first),
            head_bias=moved(tables.head_bias, first),
        ),
        [_inside(found.layers[0], row) for row in places],
    )


def _inside(layer: LayerLayout, places: Indices) -> LayerLayout:
    first, second = (norm.inside(places) for norm in layer.norms)
    attention: AttentionLayout = layer.attention.inside(places)
    return LayerLayout((first, second), attention, layer.mlp.inside(places))
