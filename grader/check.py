"""What a check is made of: its facts in a decorator, its verdict as an exception."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

# Not the plugins of whatever else is installed: they take part in nothing here, and time.
os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")

from hypothesis import HealthCheck, Phase, settings

_Function = TypeVar("_Function", bound=Callable[..., Any])

# No clock decides what is tried, and nothing is kept from run to run: a seed says it all.
_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": False,
    "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate, Phase.shrink),
}


def _draw_no_constants_of_modules() -> None:
    """Keep Hypothesis from drawing numbers that it finds in the sources of modules around it.

    What is drawn would depend on how the grader is installed and on who imports it; and reading
    them takes a tenth of a grading. There is no setting for it.
    """
    with suppress(ImportError, AttributeError):  # older ones do not do it
        from hypothesis.internal.conjecture import providers

        none = providers._local_constants
        providers._get_local_constants = lambda: none


_draw_no_constants_of_modules()


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
    oracle gives just what the submission gives; traceback: of the error, if it raised one.
    """

    def __init__(
        self,
        message: str,
        counterexample: Counterexample | None = None,
        cause: str = "",
        proven: bool = False,
        traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.counterexample = counterexample
        self.cause = cause
        self.proven = proven
        self.traceback = traceback


class NotRun(Exception):
    """The check says nothing before something else is fixed; the message says what."""


def check(
    id: str,
    part: str,
    points: float,
    hints: Sequence[str],
    examples: int = 10,
    requirement: str = "",
) -> Callable[[_Function], _Function]:
    """Make a pytest function a check.

    examples: how many cases Hypothesis draws, if the function takes any; requirement: where it is
    not the first line of the function's docstring.
    """

    def mark(function: _Function) -> _Function:
        sentence = requirement or (function.__doc__ or "").strip().splitlines()[0]
        facts = Check(id, part, points, sentence, tuple(hints))
        if hasattr(function, "hypothesis"):
            function = settings(max_examples=examples, **_SETTINGS)(function)
            # Without a database no key is needed, for which the function's source would be read.
            function._hypothesis_internal_database_key = None  # type: ignore[attr-defined]  # it looks there
        function.check = facts  # type: ignore[attr-defined]  # pytest functions carry their facts
        return function

    return mark
