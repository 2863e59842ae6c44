"""What is shown equal at small sizes is so at sizes like real ones, where no search is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common, long
from grader.gpt2 import sizes
from grader.gpt2.attention_forms import DEVIANT_ATTENTIONS, AttentionForm, windowed
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Case, Regime
from grader.gpt2.layouts import (
    AttentionLayout,
    BlockLayout,
    LayoutNotFound,
    MlpLayout,
    ModelLayout,
    larger_attentions,
    larger_mlps,
)
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size
from grader.gpt2.oracle import Floats
from grader.gpt2.specification import GPT2
from grader.sandbox.client import CandidateError

_ROWS, _MUCH = 35, 1000  # sequences in a batch; one alone, if it has more numbers than that
_TIME = 17  # tokens, where no block_size says how many

_Expected = Callable[[Floats, Any], Floats]  # of parameters and an input
_Layout = TypeVar("_Layout", AttentionLayout, MlpLayout)
_Found = AttentionLayout | MlpLayout | BlockLayout | ModelLayout


def check_attention(evidence: Evidence) -> None:
    """Fail unless it is GPT-2's at the large sizes as at the small ones."""
    name = "CausalSelfAttention"
    small = _small(evidence, name, sizes.ATTENTION, evidence.layouts.attention)
    if small:
        large = [*sizes.large(name, evidence.seed), sizes.LONG[name]]
        asked = [sizes.VALIDATION_SIZE[name], *large]
        channels = [(size["embed_dim"], size["num_heads"]) for size in asked]
        shapes = [_shapes(evidence, name, size) for size in asked]
        ways = larger_attentions(small, list(zip(channels, shapes, strict=True)))
        _compare(evidence, name, large, ways, evidence.layouts.attention, _least(evidence))


def _least(evidence: Evidence) -> int:
    """How many times embed_dim² weights an attention has at any rate."""
    return 4 if evidence.asked.keys == "each" else 2


def check_mlp(evidence: Evidence) -> None:
    """Fail unless it is GPT-2's at the large sizes as at the small ones."""
    name = "MLP"
    small = _small(evidence, name, sizes.MLP, evidence.layouts.mlp)
    if small:
        large = sizes.large(name, evidence.seed)
        asked = [sizes.VALIDATION_SIZE[name], *large]
        ways = larger_mlps(small, [(s["embed_dim"], _shapes(evidence, name, s)) for s in asked])
        # A third of a channel may be rounded off each of three layers.
        least = 7 if evidence.asked.mlp == "swiglu" else 8
        _compare(evidence, name, large, ways, evidence.layouts.mlp, least)


def _small(
    evidence: Evidence, name: str, small: Sequence[Size], find: Callable[[Size], _Layout]
) -> list[tuple[_Layout, list[tuple[int, ...]]]]:
    """Layouts at small sizes, each with all shapes; none if one is wrong, as other checks say."""
    found = []
    for size in small:
        try:
            layout = find(size)
        except (LayoutNotFound, CandidateError):
            return []
        if not _AtSize(evidence, name, size, rows=2).gives(layout.compute):
            return []
        found.append((layout, _shapes(evidence, name, size)))
    return found


def _shapes(evidence: Evidence, name: str, size: Size) -> list[tuple[int, ...]]:
    with _long_enough(name, size):
        return [parameter.shape for parameter in evidence.models.weighed(name, size).parameters]


@contextmanager
def _long_enough(name: str, size: Size) -> Iterator[None]:
    """Name what is at fault if so long a sequence makes the submission fail."""
    try:
        yield
    except CandidateError as fault:
        if fault.status != "error" or size.get("block_size", 0) < size.get("vocab_size", 1):
            raise
        cause = "position-table-too-small" if name == "GPT2" else "block-size-mask-fixed"
        raise Failure(f"fails with {_words(size)}: {fault.message}", cause=cause) from None


def _words(size: Size) -> str:
    return ", ".join(f"{key}={value}" for key, value in size.items())


def _compare(
    evidence: Evidence,
    name: str,
    asked: Sequence[Size],
    ways: Iterable[Sequence[_Layout | None]],
    find: Callable[[Size], _Layout],
    least: int,
) -> None:
    """Fail if at a large size none of the ways that are right beside gives the output.

    asked: the large sizes. ways: layouts beside and at these. find: searches for one where that
    can be done. least: how many times embed_dim² weights there are at any rate.
    """
    beside = _AtSize(evidence, name, sizes.VALIDATION_SIZE[name])
    known = [way for way in ways if way[0] and beside.gives(way[0].compute)]
    if not known:
        beside.expect_found(find)
    for number, size in enumerate(asked, 1):
        large = _AtSize(evidence, name, size)
        found = _found_as_expected(large, [way[number] for way in known], least)
        if found is not None:
            right = known[found] if known else None
            known.sort(key=lambda way: way is not right)  # it may be so at the next size, too
            continue
        # The weights may be in another order, as names are when they are sorted, where they are
        # many.
        _AtSize(evidence, name, sizes.largest_searched(name, evidence.seed)).expect_found(find)


def _found_as_expected(
    large: _AtSize, ways: Sequence[AttentionLayout | MlpLayout | None], least: int
) -> int | None:
    """The first of these that gives the output, if one does; the first of all if there is none to
    be tried. Fail if one does so for the first token alone.
    """
    layouts = [layout for layout in ways if layout]
    if not layouts:
        large.expect_enough(least * large.size["embed_dim"] ** 2)
        return 0
    with large.unhurried():
        for number, layout in enumerate(ways):
            if layout and large.gives(layout.compute):
                return number
    for layout in layouts:
        cause = _bug(large, layout)
        if cause or large.begins_with(layout.compute):
            large.fail(cause, layout.compute)
    return None


def _bug(large: _AtSize, layout: AttentionLayout | MlpLayout) -> str:
    """The slug of the bug that gives the output with the weights of an attention, if one does."""
    if not isinstance(layout, AttentionLayout) or large.evidence.asked != GPT2:
        return ""
    channels = len(layout.out)
    for heads in range(1, channels + 1):
        if channels % heads == 0 and large.gives(layout.regrouped(heads).compute):
            return "hard-coded-heads"
    for form in (*DEVIANT_ATTENTIONS, windowed(large.reach())):
        if large.gives(partial(_formed, form, layout)):
            return form.causes[0]
    return ""


def _formed(form: AttentionForm, layout: AttentionLayout, theta: Floats, x: Floats) -> Floats:
    return form.compute(x, layout.weights(theta))


class _AtSize:
    """What the submission's class gives at one size."""

    def __init__(self, evidence: Evidence, name: str, size: Size, rows: int = _ROWS) -> None:
        regime = Regime("large size", round(size["embed_dim"] ** -0.5, 4), 1.0)
        length = size.get("block_size", _TIME)
        rows = 1 if length * size["embed_dim"] > _MUCH else rows
        case = Case(size, rows, length, regime, evidence.seed)
        with _long_enough(name, size):
            self.experiment = evidence.weighed_experiment(name, case)
        self.evidence = evidence
        self.name = name
        self.size = size

    def unhurried(self) -> AbstractContextManager[None]:
        """Time enough for its output, where the sequence is long."""
        if self.size.get("block_size", 0) < sizes.LONG["GPT2"]["block_size"]:
            return nullcontext()
        return long.unhurried(self.evidence, self.name, self.size)

    @cached_property
    def found(self) -> Floats:
        """Its output."""
        with _long_enough(self.name, self.size):
            return self.experiment.module.call(self.experiment.x, self.experiment.theta)

    def error(self, expected: _Expected) -> float:
        """How far it is from what is expected."""
        return difference(self.found, expected(self.experiment.theta, self.experiment.x))

    def gives(self, expected: _Expected) -> bool:
        """Whether that is it."""
        return self.error(expected) <= CLOSE

    def begins_with(self, expected: _Expected) -> bool:
        """Whether that is what one token alone gives."""
        theta, x = self.experiment.theta, self.experiment.x[:1, :1]
        return difference(self.experiment.module.call(x, theta), expected(theta, x)) <= CLOSE

    def expect_found(self, find: Callable[[Size], _Found]) -> None:
        """Fail unless a search at this size finds a layout that gives it."""
        try:
            layout = find(self.size)
        except LayoutNotFound:
            self.fail("")
        else:
            if not self.gives(layout.compute):
                self.fail("", layout.compute)

    def reach(self) -> int:
        """At how many positions, from the first on, the first token is felt."""
        x = self.experiment.x.copy()
        x[:, 0] += 1.0
        felt = np.abs(self.experiment.module.call(x, self.experiment.theta) - self.found).max(
            (0, 2)
        )
        return 1 + int(np.flatnonzero(felt).max(initial=0))

    def fail(self, cause: str, expected: _Expected | None = None) -> None:
        """It is not what is expected, as far as that is known."""
        off = f": the output is off by {self.error(expected):.2g} of its size" if expected else ""
        whose = "GPT-2's" if self.evidence.asked == GPT2 else "the brief's"
        wanted = expected(self.experiment.theta, self.experiment.x) if expected else whose
        raise Failure(
            f"it is {whose} at small sizes, but not with {_words(self.size)}{off}",
            self.experiment.counterexample("print(model(x))", expected=wanted, found=self.found),
            cause,
            proven=bool(cause),
        )

    def expect_enough(self, least: int) -> None:
        """Where weights are kept in a way of their own, there are as many as it takes."""
        count = self.experiment.module.initial.size
        if count < least:
            raise Failure(
                f"with {_words(self.size)} it takes {least} weights, biases apart; {self.name} has "
                f"{count}",
                self.experiment.counterexample(
                    "print(sum(p.numel() for p in model.parameters()))",
                    expected=f"{least} or more",
                    found=count,
                ),
                "width-const" if self.name != "CausalSelfAttention" else "",
            )


def check_model(evidence: Evidence) -> None:
    """Fail unless GPT2 over its own blocks is GPT-2's at the large size as at the small ones."""
    name = "GPT2"
    try:
        if not all(evidence.layouts.model(size).is_asked for size in sizes.MODEL):
            return
    except LayoutNotFound:
        return
    for size in sizes.large(name, evidence.seed):
        if long.attention_fails(evidence, size):
            return  # which is not the model's fault
        # Many layers may go by another order, and many tokens be in several tables; few of both
        # show whether the rest is right, and a model in one piece is soon read.
        few = size | {k: min(size[k], sizes.MODEL[0][k]) for k in ("num_layers", "vocab_size")}
        if few != size and not evidence.models.module(name, few).own("TransformerBlock"):
            _AtSize(evidence, name, few).expect_found(evidence.layouts.right_model)
        large = _AtSize(evidence, name, size)
        layout = None
        with suppress(LayoutNotFound), _long_enough(name, size):
            layout = evidence.layouts.right_model(size)
        if layout and large.gives(layout.compute):
            continue
        cause = _why_not(evidence, large)
        if cause or layout or few == size:
            large.fail(cause, layout.compute if layout else None)
        _AtSize(evidence, name, few).expect_found(evidence.layouts.right_model)


def _why_not(evidence: Evidence, large: _AtSize) -> str:
    """The slug for what a large GPT2 mixes or leaves alone: rows, tokens, or blocks."""
    together, alone = (
        large.found,
        large.experiment.module.outputs(list(large.experiment.x[:, None])),
    )
    if not common.same(together, np.concatenate(alone), CLOSE):
        return "batch-mixing"
    module = evidence.models.module(large.name, large.size)
    rng = np.random.default_rng(evidence.seed)
    theta, idx = module.random(rng, 0.5), np.arange(large.size["vocab_size"])[:, None]
    each = module.call(idx, theta)[:, 0]
    if len(np.unique(each.round(9), axis=0)) < len(each):
        return "vocab-clamp"
    for block in module.own("TransformerBlock"):
        other = theta.copy()
        other[module.below(block.path)] *= 2.0
        if common.same(module.call(idx[:1], other), each[None, :1]):
            return "ignores-num-layers"
    spare = evidence.layouts.drop_spare(large.name, large.size)
    return "ignores-num-layers" if spare and not _spare_when_small(evidence) else ""


def _spare_when_small(evidence: Evidence) -> bool:
    """Whether a small GPT2 has parameters, too, that nothing uses."""
    return any(evidence.layouts.drop_spare("GPT2", size) for size in sizes.MODEL)


def check_inline_block(evidence: Evidence, size: Size) -> None:
    """Fail unless a block in one piece is GPT-2's at a large size as at the small ones.

    Its weights have the shapes that its own attention and MLP have, or else those of the smaller
    ones say nothing about it, and one is read that is not so large.
    """
    name = "TransformerBlock"
    try:
        evidence.layouts.block_by_shapes(sizes.BLOCK[0])
    except LayoutNotFound:
        _AtSize(evidence, name, sizes.INLINE).expect_found(evidence.layouts.block)
        return
    large = _AtSize(evidence, name, size)
    try:
        layout = evidence.layouts.block_by_shapes(size)
    except LayoutNotFound:
        large.expect_enough((12 if evidence.asked == GPT2 else 8) * size["embed_dim"] ** 2)
        large.fail(_why_other_heads(evidence, size))
    else:
        if not large.gives(layout.compute):
            large.fail("", layout.compute)


def _why_other_heads(evidence: Evidence, size: Size) -> str:
    """The slug for a large block in one piece that is right with another number of heads."""
    for heads in range(1, size["embed_dim"] + 1):
        with suppress(LayoutNotFound, CandidateError):
            if size["embed_dim"] % heads == 0 and evidence.layouts.block_by_shapes(size, heads):
                return "hard-coded-heads"
    return ""
