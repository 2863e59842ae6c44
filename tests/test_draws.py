"""Cases are drawn evenly, by the seed alone, and one that fails is made smaller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader import draws
from grader.check import Failure, Flaky, NotRun, check

_EVIDENCE = SimpleNamespace(seed=3)


def _tried(seed: int = 3, examples: int = 6, **drawn: draws.Draw[Any]) -> list[dict[str, Any]]:
    """The cases of a check that passes on all."""
    cases = []

    @check("some.check", "Part", 1, (), examples)
    @draws.given(**drawn)
    def test_some(evidence: object, **case: Any) -> None:
        """Nothing is wanted."""
        cases.append(case)

    test_some(evidence=SimpleNamespace(seed=seed))
    return cases


def _smallest(wrong: Any, **drawn: draws.Draw[Any]) -> Failure:
    """What a check raises that fails where `wrong` says so, with the case as its message."""

    @check("some.check", "Part", 1, (), 20)
    @draws.given(**drawn)
    def test_some(evidence: object, **case: Any) -> None:
        """Nothing is wrong."""
        if wrong(**case):
            raise Failure(repr(case))

    with pytest.raises(Failure) as raised:
        test_some(evidence=_EVIDENCE)
    return raised.value


def test_the_seed_says_which_cases() -> None:
    drawn = {"size": draws.integers(0, 9999), "text": draws.lists(draws.sampled_from("abc"), 5)}
    assert _tried(1, **drawn) == _tried(1, **drawn) != _tried(2, **drawn)


def test_each_number_covers_its_bounds_evenly() -> None:
    cases = _tried(
        examples=8, one=draws.integers(1, 6), other=draws.sampled_from("abc"), flag=draws.booleans()
    )
    assert {case["one"] for case in cases} == set(range(1, 7))
    for values, least in (([case["other"] for case in cases], 3), ([c["flag"] for c in cases], 4)):
        assert all(values.count(value) in (least - 1, least) for value in set(values))


def test_many_cases_begin_with_both_ends() -> None:
    first, second, *_ = _tried(examples=5, one=draws.integers(1, 6), draw=draws.integers(0, 9999))
    assert (first["one"], second["one"]) == (1, 6)
    assert first["draw"] != 0, "a seed is as good as another"


def test_a_case_that_fails_is_made_smaller() -> None:
    found = _smallest(
        lambda one, other: one >= 4 and len(other) > 2,
        one=draws.integers(1, 9),
        other=draws.lists(draws.integers(0, 50), 8),
    )
    assert found.message == "{'one': 4, 'other': [0, 0, 0]}"


def test_what_makes_it_fail_is_left_in_a_list() -> None:
    found = _smallest(
        lambda text: "c" in text, text=draws.lists(draws.sampled_from("abc"), 12).map("".join)
    )
    assert found.message == "{'text': 'c'}"


def test_pieces_are_put_together() -> None:
    drawn = draws.builds(
        lambda one, other: (one, other),
        draws.one_of(draws.just(0), draws.integers(5, 6)),
        other=draws.tuples(draws.integers(1, 2), draws.just("x")),
    )
    cases = [case["case"] for case in _tried(examples=9, case=drawn)]
    assert {one for one, _ in cases} == {0, 5, 6}
    assert {other for _, other in cases} == {(1, "x"), (2, "x")}


def test_another_failure_is_not_taken_for_the_same() -> None:
    def test_some(evidence: object, one: int) -> None:
        """Two things are wrong."""
        if one > 3:
            raise Failure("large", cause="large")
        raise Failure("small", cause="small")

    given = draws.given(one=draws.integers(4, 9))(test_some)
    with pytest.raises(Failure, match="large"):
        given(evidence=_EVIDENCE)


def test_a_case_that_fails_once_is_told_as_such() -> None:
    answers = iter([False] + [True] * 100)

    @draws.given(one=draws.integers(1, 9))
    def test_some(evidence: object, one: int) -> None:
        """Only the first call is wrong."""
        if not next(answers):
            raise Failure("once")

    with pytest.raises(Flaky):
        test_some(evidence=_EVIDENCE)


def test_what_does_not_run_is_not_tried_again() -> None:
    calls = []

    @draws.given(one=draws.integers(1, 9))
    def test_some(evidence: object, one: int) -> None:
        """Nothing runs."""
        calls.append(one)
        raise NotRun("first write it")

    with pytest.raises(NotRun):
        test_some(evidence=_EVIDENCE)
    assert len(calls) == 1
