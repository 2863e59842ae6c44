"""Whole exports of platforms: every hand-in comes out as a fair interviewer wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.batch import BatchConfig, Done, roster, run
from grader.grading import Options
from tests.arrivals import EXPORTS, Export, Wanted, situations
from tests.batches import quickly  # noqa: F401  # a fixture


def done(export: Export, place: Path) -> Done:
    folder = export.put(place / "in")
    people = None
    if export.roster:
        (place / "roster.csv").write_text(export.roster, encoding="utf-8")
        people = roster.read(place / "roster.csv")
    order = BatchConfig(folder, place / "out", Options(seed=1), 1, None, people, export.take)  # type: ignore[arg-type]  # a Take
    return run(order, lambda step: None)


def as_wanted(found: Done, export: Export) -> None:
    """Every hand-in has its row, with the verdict, the person and what else is told of it."""
    rows = {row.name: row for row in found.rows}
    assert set(rows) == set(export.wanted)
    odd = {
        name: (row.verdict, row.who, row.message, row.counted)
        for name, row in rows.items()
        if (row.verdict, row.who) != (export.wanted[name].verdict, export.wanted[name].person)
        or (row.late, row.counted) != (export.wanted[name].late, export.wanted[name].counted)
    }
    assert not odd
    assert found.arrivals.passed_over == export.passed_over
    assert tuple(p.name for p in found.arrivals.people.missing) == export.missing
    if export.roster:
        assert found.arrivals.people.unknown == export.unknown
    assert all(row.message for row in found.rows if row.verdict == "ungraded")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", EXPORTS)
def test_everything_comes_out_as_wanted(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]()
    found = done(export, tmp_path)
    as_wanted(found, export)
    assert not any(str(tmp_path) in row.message for row in found.rows)


@pytest.mark.whole_bank
@pytest.mark.parametrize("name", EXPORTS)
def test_it_is_graded_so(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]()
    as_wanted(done(export, tmp_path), export)


def test_there_are_enough() -> None:
    hand_ins = [wanted for make in EXPORTS.values() for wanted in make().wanted.values()]
    assert len(hand_ins) >= 240
    assert len(set(situations())) >= 120
    assert {wanted.verdict for wanted in hand_ins} == {"pass", "fail", "ungraded"}
    assert all(isinstance(wanted, Wanted) for wanted in hand_ins)
