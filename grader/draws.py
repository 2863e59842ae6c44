"""Draws cases for checks, and looks for a smaller case where one fails.

A case is a handful of numbers, each drawn within bounds: a seed says which. Over the cases of one
check each number covers its bounds evenly, so that few cases show what many at random would. Where
a check fails, its numbers are lowered as long as it goes on failing. Hypothesis does that better,
but importing it takes longer than all else that a grading imports.
"""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from grader.check import Flaky, NotRun
from grader.sandbox.client.faults import WorkerLost

T = TypeVar("T")
U = TypeVar("U")
_TRIES = 80  # of smaller cases
_SEEDS = 1000  # so many numbers or more to choose from are seeds, of which none is special
_WITH_ENDS = 5  # cases: with so many, two are those at both ends of all bounds


@dataclass
class Choice:
    """A number that was drawn, and its least.

    elements: where the choices of a list's elements begin and end, if it is the list's length.
    """

    value: int
    least: int
    elements: list[tuple[int, int]] = field(default_factory=list)


class Source:
    """Where the numbers of one case come from.

    number: gives one within bounds, which are among them, told how many came before.
    """

    def __init__(self, number: Callable[[int, int, int], int]) -> None:
        self._number = number
        self.choices: list[Choice] = []

    def integer(self, least: int, most: int) -> int:
        """A number within these bounds, which are among them."""
        value = self._number(len(self.choices), least, most)
        self.choices.append(Choice(value, least))
        return value


@dataclass(frozen=True)
class Draw(Generic[T]):
    """How a value is drawn."""

    of: Callable[[Source], T]

    def map(self, change: Callable[[T], U]) -> Draw[U]:
        """What a function makes of the value."""
        return Draw(lambda source: change(self.of(source)))


def integers(least: int, most: int) -> Draw[int]:
    """A number within these bounds, which are among them; the lower, the simpler."""
    return Draw(lambda source: source.integer(least, most))


def just(value: T) -> Draw[T]:
    """Always this value."""
    return Draw(lambda source: value)


def sampled_from(values: Sequence[T]) -> Draw[T]:
    """One of these, of which the first are simpler."""
    return Draw(lambda source: values[source.integer(0, len(values) - 1)])


def booleans() -> Draw[bool]:
    """False or True."""
    return sampled_from((False, True))


def one_of(*draws: Draw[T]) -> Draw[T]:
    """What one of these gives, of which the first are simpler."""
    return Draw(lambda source: draws[source.integer(0, len(draws) - 1)].of(source))


def tuples(*draws: Draw[Any]) -> Draw[tuple[Any, ...]]:
    """One value of each."""
    return Draw(lambda source: tuple(draw.of(source) for draw in draws))


def builds(make: Callable[..., T], *args: Draw[Any], **kwargs: Draw[Any]) -> Draw[T]:
    """What a function or class makes of drawn arguments."""

    def build(source: Source) -> T:
        given = [draw.of(source) for draw in args]
        return make(*given, **{key: draw.of(source) for key, draw in kwargs.items()})

    return Draw(build)


def lists(each: Draw[T], most: int, least: int = 0) -> Draw[list[T]]:
    """A list of so many values at most and at least."""

    def build(source: Source) -> list[T]:
        length = source.integer(least, most)
        choice, values = source.choices[-1], []
        for _ in range(length):
            start = len(source.choices)
            values.append(each.of(source))
            choice.elements.append((start, len(source.choices)))
        return values

    return Draw(build)


def given(**draws: Draw[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a check be tried on drawn cases, as many as `check` says.

    Its other argument is `evidence`, whose seed says which cases. It raises what the smallest case
    raises that was found to fail, and Flaky if none does when it is tried again.
    """
    drawn: Draw[dict[str, Any]] = builds(dict, **draws)

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def tried(evidence: Any) -> None:
            def error_of(source: Source) -> Exception | None:
                case = drawn.of(source)
                try:
                    function(evidence=evidence, **case)
                except NotRun:
                    raise
                except Exception as error:
                    return error
                return None

            count = tried.examples  # type: ignore[attr-defined]  # as below
            for source in _sources(evidence.seed, function.__name__, count):
                if error_of(source) is not None:
                    raise _smallest(error_of, source.choices)

        tried.examples = 1  # type: ignore[attr-defined]  # `check` says how many
        # Pytest's, for which that is the name of a fixture.
        tried.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter("evidence", inspect.Parameter.KEYWORD_ONLY)]
        )
        return tried

    return decorate


def _sources(seed: int, name: str, count: int) -> Iterator[Source]:
    """Those of so many cases. At each place, each has a number from another part of the bounds."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    orders: dict[int, list[int]] = {}

    def of(case: int) -> Source:
        def number(place: int, least: int, most: int) -> int:
            choices = most - least + 1
            if case >= count and choices < _SEEDS:
                return (least, most)[case - count]
            if place not in orders:
                orders[place] = rng.permutation(count).tolist()
            share = (orders[place][case % count] + rng.random()) / count
            return least + int(share * choices)

        return Source(number)

    ends = 2 if count >= _WITH_ENDS else 0
    count -= ends
    return map(of, [*range(count, count + ends), *range(count)])


def _smallest(error_of: Callable[[Source], Exception | None], first: list[Choice]) -> Exception:
    """What the smallest case raises that fails as the first one does."""
    known = error_of(_again([choice.value for choice in first]))
    if known is None:
        return Flaky("a case that failed did not fail again")
    kind, choices, tried = _kind(known), first, 0

    def fails(values: list[int]) -> bool:
        nonlocal known, choices, tried
        tried += 1
        source = _again(values)
        try:
            error = error_of(source) if tried <= _TRIES else None
        except (WorkerLost, NotRun):
            error, tried = None, _TRIES  # what was found stands
        if error is None or _kind(error) != kind:
            return False
        known, choices = error, source.choices
        return True

    before: list[Choice] = []
    while before != choices and tried < _TRIES:
        before = choices
        _leave_out(fails, lambda: choices)
        _lower(fails, lambda: choices)
    return known


def _again(values: Sequence[int]) -> Source:
    """Numbers of an earlier case, as far as they are within the bounds."""
    return Source(
        lambda place, least, most: (
            min(max(values[place], least), most) if place < len(values) else least
        )
    )


def _kind(error: Exception) -> object:
    """Failures of which this is the same are taken for the same failure."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    return type(error), place, getattr(error, "cause", "")


def _leave_out(fails: Callable[[list[int]], bool], known: Callable[[], list[Choice]]) -> None:
    """Shorten lists, element by element, from the end of the last one."""
    for place in reversed(range(len(known()))):
        number = len(known()[place].elements) if place < len(known()) else 0
        while number:
            number -= 1
            choices = known()
            if choices[place].value > choices[place].least:
                start, end = choices[place].elements[number]
                values = [choice.value for choice in choices]
                values[place] -= 1
                fails(values[:start] + values[end:])


def _lower(fails: Callable[[list[int]], bool], known: Callable[[], list[Choice]]) -> None:
    """Lower one number after the other: to its least, or else by halves as far as that goes."""
    place = 0
    while place < len(known()):
        choices = known()
        values, least = [choice.value for choice in choices], choices[place].least
        low, high = least - 1, values[place]
        wanted = least
        while low + 1 < high:
            if fails([*values[:place], wanted, *values[place + 1 :]]):
                high = wanted
            else:
                low = wanted
            if high - least >= _SEEDS:
                break
            wanted = (low + high) // 2
        place += 1
