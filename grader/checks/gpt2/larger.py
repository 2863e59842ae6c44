"""What is shown equal at small sizes is so at sizes like real ones, where no search is possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.experiment import Case, Regime
from grader.checks.gpt2 import common, sizes
from grader.checks.models import Size
from grader.oracle import model as oracle
from grader.oracle.attention_forms import DEVIANT_ATTENTIONS, AttentionForm, windowed
from grader.oracle.layouts import (
    AttentionLayout,
    Misfit,
    MlpLayout,
    larger_attentions,
    larger_mlps,
    seen_attention,
    seen_mlp,
)
from grader.oracle.layouts.box import CLOSE, difference
from grader.oracle.model import Floats
from grader.remote import CandidateError

_ROWS, _MUCH = 35, 4000  # sequences in a batch; one alone, if it has more numbers than that
_TIME = 17  # tokens, where no block_size says how many

_Expected = Callable[[Floats, Any], Floats]  # of parameters and an input
_Way = Sequence["_Expected | None"]  # one for each size


def check_attention(evidence: Evidence) -> None:
    """Fail unless it is GPT-2's at the large sizes as at the small ones."""
    name = "CausalSelfAttention"
    try:
        layouts = [(size, evidence.layouts.attention(size)) for size in sizes.ATTENTION]
    except (Misfit, CandidateError):
        return  # that is what other checks are about
    if not all(_Asked(evidence, name, s, rows=2).gives(partial(_attention, v)) for s, v in layouts):
        return
    seen = [seen_attention(layout, _shapes(evidence, name, size)) for size, layout in layouts]
    asked = [sizes.BESIDE[name], *sizes.LARGE[name]]
    channels = [(size["embed_dim"], size["num_heads"]) for size in asked]
    shapes = [_shapes(evidence, name, size) for size in asked]
    ways = larger_attentions(seen, list(zip(channels, shapes, strict=True)))
    expected = [[partial(_attention, each) if each else None for each in way] for way in ways]

    def searched(size: Size) -> _Expected:
        return partial(_attention, evidence.layouts.attention(size))

    _compare(evidence, name, asked, expected, searched, 4, _attention_bugs)


def check_mlp(evidence: Evidence) -> None:
    """Fail unless it is GPT-2's at the large size as at the small ones."""
    name = "MLP"
    try:
        layouts = [(size, evidence.layouts.mlp(size)) for size in sizes.MLP]
    except (Misfit, CandidateError):
        return
    gelus = {layout.gelu for _, layout in layouts}
    gelu = gelus.pop()
    if gelus or gelu is None:
        return
    if not all(_Asked(evidence, name, s, rows=2).gives(partial(_mlp, v, gelu)) for s, v in layouts):
        return
    seen = [seen_mlp(layout, _shapes(evidence, name, size)) for size, layout in layouts]
    asked = [sizes.BESIDE[name], *sizes.LARGE[name]]
    ways = larger_mlps(seen, [(s["embed_dim"], _shapes(evidence, name, s)) for s in asked])
    expected = [[partial(_mlp, each, gelu) if each else None for each in way] for way in ways]

    def searched(size: Size) -> _Expected:
        return partial(_mlp, evidence.layouts.mlp(size), gelu)

    _compare(evidence, name, asked, expected, searched, 8)


def _attention(layout: AttentionLayout, theta: Floats, x: Floats) -> Floats:
    return oracle.attention(x, layout.weights(theta))


def _attention_bugs(large: _Asked, expected: _Expected) -> Iterator[tuple[str, _Expected]]:
    """Bugs by name, and what they give with the weights of what is expected."""
    assert isinstance(expected, partial)
    (layout,) = expected.args
    assert isinstance(layout, AttentionLayout)
    channels, heads = len(layout.out), layout.heads
    for other in range(1, channels + 1):
        if channels % other == 0 and other != heads:
            yield "hard-coded-heads", partial(_attention, layout.regrouped(other))
    for form in (*DEVIANT_ATTENTIONS, windowed(large.reach())):
        yield form.causes[0], partial(_form, form, layout)


def _form(form: AttentionForm, layout: AttentionLayout, theta: Floats, x: Floats) -> Floats:
    return form.compute(x, layout.weights(theta))


def _mlp(layout: MlpLayout, gelu: oracle.Activation, theta: Floats, x: Floats) -> Floats:
    return oracle.mlp(x, layout.weights(theta), gelu)


def _shapes(evidence: Evidence, name: str, size: Size) -> list[tuple[int, ...]]:
    return [parameter.shape for parameter in evidence.models.weighed(name, size).parameters]


def _compare(
    evidence: Evidence,
    name: str,
    asked: Sequence[Size],
    ways: Iterable[_Way],
    searched: Callable[[Size], _Expected],
    least: int,
    causes: Callable[[_Asked, _Expected], Iterable[tuple[str, _Expected]]] = lambda *_: (),
) -> None:
    """Fail if at a large size none of the ways that are right beside gives the output.

    asked: the size at which a way has to be right to count, and the large ones. searched: finds a
    way at a size that is not large. least: how many times embed_dim² weights there are at any rate.
    causes: bugs by name, and what they give in place of what is expected.
    """
    beside = _Asked(evidence, name, asked[0])
    known = [way for way in ways if way[0] and beside.gives(way[0])]
    if not known:
        beside.expect_found(searched)
    for number, size in enumerate(asked[1:], 1):
        large = _Asked(evidence, name, size)
        expected = [each for each in (way[number] for way in known) if each]
        if not expected:
            large.expect_enough(least * size["embed_dim"] ** 2)
            continue
        error = min(large.error(each) for each in expected)
        if error <= CLOSE:
            continue
        others = (other for each in expected for other in causes(large, each))
        cause = next((cause for cause, other in others if large.gives(other)), "")
        if cause or any(large.begins_with(each) for each in expected):
            large.fail(error, cause)
        # Else the weights may be in another order, as names are when they are sorted, where they
        # are many.
        _Asked(evidence, name, sizes.SEARCHED[name]).expect_found(searched)


class _Asked:
    """What the submission's class gives at one size."""

    def __init__(self, evidence: Evidence, name: str, size: Size, rows: int = _ROWS) -> None:
        regime = Regime("large size", round(size["embed_dim"] ** -0.5, 4), 1.0)
        time = size.get("block_size", _TIME)
        rows = 1 if time * size["embed_dim"] > _MUCH else rows
        case = Case(size, rows, time, regime, evidence.seed)
        self.experiment = evidence.weighed_experiment(name, case)
        self.name = name
        self.size = size
        self.words = ", ".join(f"{key}={value}" for key, value in size.items())

    @cached_property
    def found(self) -> Floats:
        """Its output."""
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

    def expect_found(self, searched: Callable[[Size], _Expected]) -> None:
        """Fail unless a search at this size finds what gives it."""
        try:
            error = self.error(searched(self.size))
        except Misfit:
            error = math.inf
        if error > CLOSE:
            self.fail(error, "")

    def reach(self) -> int:
        """At how many positions, from the first on, the first token is felt."""
        x = self.experiment.x.copy()
        x[:, 0] += 1.0
        felt = np.abs(self.experiment.module.call(x, self.experiment.theta) - self.found).max(
            (0, 2)
        )
        return 1 + int(np.flatnonzero(felt).max(initial=0))

    def fail(self, error: float, cause: str) -> None:
        """It is not what is expected."""
        raise Failure(
            f"it is GPT-2's at small sizes, but not with {self.words}"
            + (f": the output is off by {error:.2g} of its size" if math.isfinite(error) else ""),
            self.experiment.counterexample("print(model(x))", expected="GPT-2's", found=self.found),
            cause,
            proven=bool(cause),
        )

    def expect_enough(self, least: int) -> None:
        """Where weights are kept in a way of their own, there are as many as it takes."""
        count = self.experiment.module.initial.size
        if count < least:
            raise Failure(
                f"with {self.words} it takes {least} weights, biases apart; {self.name} has "
                f"{count}",
                self.experiment.counterexample(
                    "print(sum(p.numel() for p in model.parameters()))",
                    expected=f"{least} or more",
                    found=count,
                ),
                "width-const" if self.name == "MLP" else "",
            )


def check_model(evidence: Evidence) -> None:
    """Fail unless GPT2 over its own blocks is GPT-2's at the large size as at the small ones."""
    name = "GPT2"
    try:
        if not all(evidence.layouts.model(size).is_gpt2 for size in sizes.MODEL):
            return
    except Misfit:
        return
    for size in sizes.LARGE[name]:
        if not evidence.models.module(name, size).own("TransformerBlock"):
            return  # written out in one piece
        large = _Asked(evidence, name, size)
        try:
            error = large.error(evidence.layouts.right_model(size).compute)
        except Misfit:
            error = math.inf
        except CandidateError as fault:
            if fault.status != "error" or size["vocab_size"] > size["block_size"]:
                raise
            message = f"fails with {large.words}: {fault.message}"
            raise Failure(message, cause="position-table-too-small") from None
        if error <= CLOSE:
            continue
        cause = _why_not(evidence, large)
        # Many tokens may be in several tables, and many layers may go by another order.
        many = size["num_layers"] > sizes.MODEL[-1]["num_layers"]
        if cause or not many or math.isfinite(error):
            large.fail(error, cause)


def _why_not(evidence: Evidence, large: _Asked) -> str:
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
    return ""
