"""The checks that the four classes have in common, made for each from its facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given

from grader.check import check
from grader.exercises.gpt2 import common, dropout, gradients, ways
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import LARGE, UNIT, Case, cases

_Test = Callable[..., None]


@dataclass(frozen=True)
class Part:
    """A class, and how its checks are worded.

    slug: what the ids of its checks begin with; points: of a check that is worth no more in one
    class than in another; kind, given, argument, output: what a candidate calls it, what it is
    given, the name of that, and what it returns.
    """

    name: str
    slug: str
    points: float = 1
    kind: str = "module"
    given: str = "input"
    argument: str = "x"
    output: str = "output"

    def signature(self, requirement: str, arguments: str) -> _Test:
        """It is built as the brief says. arguments: the hint that counts them."""
        names = (*sizes.BY_CLASS[self.name][0], "dropout_p=0.0")
        hints = (
            "Compare the constructor with the brief, letter by letter.",
            arguments,
            f"def __init__(self, {', '.join(names)})",
        )

        @check(f"{self.slug}.signature", self.name, 1, hints, requirement=requirement)
        def test_signature(evidence: Evidence) -> None:
            common.check_signature(evidence, self.name)

        return test_signature

    def shape(self, requirement: str, *hints: str, times: tuple[int, int] = (1, 5)) -> _Test:
        """Its output has the right shape and dtype."""

        @check(f"{self.slug}.shape", self.name, self.points, hints, requirement=requirement)
        @given(case=cases(sizes.BY_CLASS[self.name], times=times))
        def test_shape(evidence: Evidence, case: Case) -> None:
            common.check_shape(evidence, self.name, case)

        return test_shape

    def dropout(self, points: float, where: str) -> _Test:
        """It drops by itself what the brief lets it drop. where: the last hint."""
        hints = (
            "What does dropout_p do in your class, in train and in eval mode?",
            "Call the module twice in train mode with dropout_p = 0.5: do the outputs differ?",
            where,
        )
        drawn = cases(sizes.BY_CLASS[self.name][:2], times=(3, 4), regimes=(UNIT,))

        @check(f"{self.slug}.dropout", self.name, points, hints, examples=3)
        @given(case=drawn)
        def test_dropout(evidence: Evidence, case: Case) -> None:
            """dropout_p is felt in train mode and does nothing in eval mode or at zero."""
            dropout.check_part(evidence, self.name, case)

        return test_dropout

    def deterministic(
        self,
        last_hint: str = "",
        requirement: str = "In eval mode the same input gives the same output, and is not changed.",
        times: tuple[int, int] = (2, 5),
    ) -> _Test:
        """It is a function of weights and input."""
        hints = (
            f"Does anything but weights and {self.given} go into your {self.output}?",
            f"Call the {self.kind} twice in eval mode with the same {self.argument}, then look at "
            f"{self.argument} itself.",
            last_hint
            or "No randomness outside dropout, no state kept between calls, no in-place "
            f"change of {self.argument}.",
        )
        drawn = cases(sizes.BY_CLASS[self.name], times=times, regimes=(UNIT, LARGE))

        @check(f"{self.slug}.deterministic", self.name, self.points, hints, 6, requirement)
        @given(case=drawn)
        def test_deterministic(evidence: Evidence, case: Case) -> None:
            common.check_deterministic(evidence, self.name, case)

        return test_deterministic

    def gradients(
        self,
        examples: int,
        times: tuple[int, int],
        more: str = "",
        requirement: str = "Gradients reach every parameter and the input.",
    ) -> _Test:
        """It can learn. more: what the last hint adds."""
        hints = (
            f"Could this {self.kind} learn?",
            f"Call backward() on the sum of the {self.output} and print every parameter's grad.",
            f"Nothing between parameters and {self.output} may leave the graph{more}.",
        )
        drawn = cases(sizes.BY_CLASS[self.name], times=times, regimes=(UNIT,))

        @check(f"{self.slug}.gradients", self.name, self.points, hints, examples, requirement)
        @given(case=drawn)
        def test_gradients(evidence: Evidence, case: Case) -> None:
            gradients.check_gradients(evidence, self.name, case)

        return test_gradients

    def ways(self) -> _Test:
        """It serves in every way of use."""
        hints = (
            "Does it matter to your class how and how often it is used?",
            "Copy it, save and load it, call it twice, on a slice, in train mode, with and without "
            "gradients: compare.",
            "All that it needs is made in __init__ and registered; forward changes nothing on self "
            "and asks for nothing but x and self.training.",
        )

        requirement = (
            "It is the same function in every way in which people use a model, and learns in each."
        )

        @check(f"{self.slug}.ways", self.name, 1, hints, requirement=requirement)
        def test_ways(evidence: Evidence) -> None:
            ways.check(evidence, self.name)

        return test_ways
