"""What a check is made of: its facts in a decorator, its verdict as an exception."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Check:
    """A requirement that a submission is checked against.

    requirement: one sentence in the brief's words; hints: from a nudge to nearly a solution;
    optional: a submission may pass without it; needed: no points outweigh it.
    """

    id: str
    part: str
    points: float
    requirement: str
    hints: tuple[str, ...]
    optional: bool = False
    needed: bool = False

    @property
    def of_file(self) -> bool:
        """Whether it is about the file as a whole, not about the part that it counts in."""
        return self.id.endswith(".imports")

    @property
    def of_policy(self) -> bool:
        """Whether it is about what a submission may use, which no points outweigh."""
        return self.id.endswith(".from_scratch")


@dataclass(frozen=True)
class Counterexample:
    """The smallest case found: code that runs beside the submission, and what it shows."""

    code: str
    expected: str
    found: str


class Failure(AssertionError):
    """The submission does not meet the requirement. The message is for the candidate.

    cause: the slug of the bug that this points to, if it points to one; proven: with that bug the
    oracle gives just what the submission gives.
    """

    def __init__(
        self,
        message: str,
        counterexample: Counterexample | None = None,
        cause: str = "",
        proven: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.counterexample = counterexample
        self.cause = cause
        self.proven = proven


class NotRun(Exception):
    """The check says nothing before something else is mended; the message says what."""


class Flaky(Exception):
    """A case that failed does not fail when it is tried again."""


def check(
    id: str,
    part: str,
    points: float,
    hints: Sequence[str],
    examples: int = 6,
    requirement: str = "",
) -> Callable[[_Function], _Function]:
    """Make a pytest function a check.

    examples: how many cases are drawn, if the function takes any: see `grader.draws.given`;
    requirement: where it is not the first line of the function's docstring.
    """

    def mark(function: _Function) -> _Function:
        sentence = requirement or (function.__doc__ or "").strip().splitlines()[0]
        facts = Check(id, part, points, sentence, tuple(hints))
        if hasattr(function, "examples"):
            function.examples = examples
        function.check = facts  # type: ignore[attr-defined]  # pytest functions carry their facts
        return function

    return mark
