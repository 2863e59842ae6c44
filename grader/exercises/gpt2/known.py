"""GPT-2 as a function of a class's own parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grader.check import NotRun
from grader.gpt2 import oracle
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Experiment
from grader.gpt2.layouts import BlockLayout, LayoutNotFound, ModelLayout
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size, block_size_of
from grader.sandbox.client import CandidateError
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values

Oracle = Callable[[Floats, Any], Floats]


def oracle_of(evidence: Evidence, experiment: Experiment, plain: Values) -> Oracle | None:
    """GPT-2 as a function of the class's parameters, if it is known to give `plain`."""
    name, size = experiment.module.name, experiment.case.size
    try:
        known = _oracle(evidence, name, size)
        x, small = experiment.x, 0.04 * experiment.theta
        # With small weights, too: a layout beside frozen weights may hold for large ones only.
        right = (
            difference(known(experiment.theta, x), plain) <= CLOSE
            and difference(known(small, x), experiment.module.call(x, small)) <= CLOSE
        )
    except (LayoutNotFound, CandidateError, NotRun):
        return None
    return known if right else None


def _oracle(evidence: Evidence, name: str, size: Size) -> Oracle:
    """What the class's layout gives, without asking the submission if possible. Raises
    LayoutNotFound."""
    layouts = evidence.layouts
    if name == "CausalSelfAttention":
        computed: Oracle = layouts.attention(size).compute
    elif name == "MLP":
        computed = layouts.mlp(size).compute
    elif name == "TransformerBlock":
        block = layouts.block(size)
        computed = whole_block(block) or block.compute
    else:
        layout = layouts.model(size)
        computed = whole_model(evidence, layout, size) or layout.compute
    if name not in evidence.models.computed:
        return computed
    weighed = evidence.models.weighed(name, size)
    return lambda theta, x: computed(weighed.weigh(theta), x)


def is_whole(whole: Oracle | None, experiment: Experiment) -> bool:
    """Whether the model gives what GPT-2 does from end to end, where that is known."""
    if whole is None:
        return False
    found = experiment.module.call(experiment.x, experiment.theta)
    return difference(found, whole(experiment.theta, experiment.x)) <= CLOSE


def whole_block(layout: BlockLayout) -> Oracle | None:
    """GPT-2's block in terms of its weights, if those of both parts are known, and the GELU."""
    gelu = layout.mlp.activation if layout.mlp else None
    if not layout.is_asked or not layout.attention or gelu is None:
        return None

    def compute(theta: Floats, x: Any) -> Floats:
        weights = layout.weights(theta)
        assert weights is not None
        return oracle.block(x, weights, gelu, layout.asked)

    return compute


def whole_model(evidence: Evidence, layout: ModelLayout, size: Size) -> Oracle | None:
    """GPT-2 in terms of its weights, if those of every part are known."""
    try:
        block = evidence.layouts.block(block_size_of(size))
    except (LayoutNotFound, CandidateError):
        return None  # the block is judged by itself
    gelu = block.mlp.activation if block.mlp else None
    known = layout.is_asked and block.is_asked and block.attention and layout.inside
    if evidence.models.computed or not known or gelu is None:
        return None
    blocks = [block.inside(places) for places in layout.inside]

    def compute(theta: Floats, x: Any) -> Floats:
        weights = [each.weights(theta) for each in blocks]
        inside = [each for each in weights if each is not None]
        return oracle.gpt2(x, layout.weights(theta, inside), gelu, layout.asked)

    return compute
