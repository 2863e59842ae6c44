"""How a GPT2 is put together from the candidate's own blocks."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common, known
from grader.gpt2 import sizes, twists
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Experiment
from grader.gpt2.layouts import LayoutNotFound, ModelLayout
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.model_forms import asked_form
from grader.gpt2.models import Size
from grader.sandbox.client import CandidateError, Module

NAME = "GPT2"


def meets(evidence: Evidence, requirement: str) -> list[tuple[Size, ModelLayout]]:
    """The model's layouts, or a Failure that says what it computes in place of GPT-2."""
    layouts = []
    for size in sizes.MODEL:
        try:
            layout = evidence.layouts.model(size)
        except LayoutNotFound as misfit:
            raise Failure(f"the parameters cannot be read as those of a GPT-2: {misfit}") from None
        if requirement in layout.form.violates:
            wanted = asked_form(evidence.asked).formula
            raise Failure(f"found: {layout.form.formula}. The brief asks for: {wanted}")
        layouts.append((size, layout))
    return layouts


def expect_head(layout: ModelLayout) -> None:
    """Fail unless the head is the token table, or is not, where the brief says which."""
    asked = layout.asked.head
    tied = bool((layout.head == layout.tokens).all())
    if asked != "free" and tied != (asked == "tied"):
        cause = f"without-{asked}-head"
        raise Failure(twists.explanation(cause, layout.asked), cause=cause, proven=True)


def counts_tokens(evidence: Evidence, layouts: list[tuple[Size, ModelLayout]]) -> bool:
    """Whether the position table has a row for each token of the vocabulary, at every size."""
    for size, layout in layouts:
        module = evidence.models.weighed(NAME, size)
        first = -1 if layout.positions is None else int(layout.positions[0, 0])
        rows = [len(p.indices) for p in module.parameters if first in p.indices]
        if rows != [size["vocab_size"]] or size["vocab_size"] == size["block_size"]:
            return False
    return True


def why_so_many(evidence: Evidence) -> str:
    """The slug for a wrong number of registered blocks, told from several num_layers."""
    counts = [
        len(evidence.models.module(NAME, size | {"num_layers": layers}).own("TransformerBlock"))
        for size in sizes.MODEL[:1]
        for layers in (1, 2, 3)
    ]
    if counts == [2, 3, 4]:
        return "num-layers-plus-one"
    if counts == [1, 1, 1]:
        return "blocks-shared"
    return "ignores-num-layers" if any(counts) else "blocks-not-registered"


def why_other_blocks(evidence: Evidence, module: Module, path: str, size: Size) -> str:
    """The slug for a block at `path` that is no TransformerBlock of this size."""
    channels = size["embed_dim"]
    for heads in range(1, channels + 1):
        with suppress(CandidateError):
            other = {**size, "num_heads": heads}
            if channels % heads == 0 and evidence.models.same_as_fresh(
                module, path, "TransformerBlock", other
            ):
                return "hard-coded-heads"
    return ""


def unrolled(evidence: Evidence, size: Size) -> bool:
    """Whether the model is GPT-2 with its blocks written out in it."""
    try:
        return evidence.layouts.model(size).is_asked
    except LayoutNotFound:
        return False


def blocks_explain(
    evidence: Evidence,
    experiment: Experiment,
    seen: tuple[np.ndarray, ...],
    inputs: tuple[np.ndarray, ...],
) -> bool:
    """Whether GPT-2 over the candidate's own blocks gives these logits: then the leak is theirs."""
    try:
        layout = evidence.layouts.model(experiment.case.size)
    except LayoutNotFound:
        return False
    weighed = evidence.models.computed  # then a layout is not about the parameters themselves
    return (
        layout.is_asked
        and not weighed
        and all(
            difference(layout.compute(experiment.theta, idx), logits) < CLOSE
            for idx, logits in zip(inputs, seen, strict=True)
        )
    )


def compare_whole(evidence: Evidence, layout: ModelLayout, experiment: Experiment) -> None:
    """Where the layout of every part is known: the float64 oracle from end to end."""
    whole = known.whole_model(evidence, layout, experiment.case.size)
    if whole is not None:
        common.equality(
            experiment, whole(experiment.theta, experiment.x), common.whose(evidence, "model")
        )


def shared_by_blocks(module: Module) -> str:
    """The slug for elements that several blocks use: of their norms, or of more; "" for none.

    One parameter may hold a row for each of them.
    """
    elements = [module.below(block.path) for block in module.own("TransformerBlock")]
    counts = np.bincount(np.concatenate(elements), minlength=module.initial.size)
    shared = [p for p in module.parameters if (counts[p.indices] > 1).any()]
    if not shared:
        return ""
    vectors = all((counts[p.indices] > 1).sum() <= p.shape[-1] for p in shared)
    return "norm-shared" if vectors else "blocks-shared"
