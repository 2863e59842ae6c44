"""Known verdicts: every right submission passes with 100 points, no wrong one passes."""

from __future__ import annotations

import pytest

from grader.catalogue import EXERCISES
from grader.results import Report
from grader.sandbox.client import Server
from tests.bank import Known, base_of, known, some
from tests.conftest import Grade
from tests.verdicts import until_it_fails

# Wrong ones whose bug is seen, and called by another name or by none.
MISNAMED = frozenset(
    (
        "computed_position_reversed",  # a computed table: only that it depends on T is seen
        "computed_qk_shared",  # computed weights: no search among them when two are the same
        "dropout_on_one_branch_only",  # is it the MLP's or the block's to drop? Both say so
        "gpt2_block_size_mask_fixed_padded_left",  # seen as positions that depend on T
    )
)

ACCEPTED, WRONG = known("accepted"), known("wrong")


def one_of_each(bank: list[Known]) -> list[Known]:
    """One for each bug: rather not one whose weights are computed, which take long to place."""
    quick_last = sorted(bank, key=lambda k: "computed" not in str(k))
    kinds = {(k.header["part"], k.header["cause"]): k for k in quick_last}
    return [k for k in bank if k in kinds.values()]


FEW = one_of_each(WRONG)


@pytest.mark.parametrize("submission", some(WRONG, FEW))
def test_fails_in_its_part(server: Server, submission: Known) -> None:
    assert until_it_fails(submission, 0, server) == "fail"


@pytest.mark.parametrize("submission", some(ACCEPTED + WRONG, ACCEPTED[::4] + FEW[::16]))
def test_verdict(judge: Grade, submission: Known) -> None:
    report = judge(submission.path)
    problems = {r.check.id: f"{r.status}: {r.message}" for r in report.results if not _passed(r)}
    assert report.verdict == submission.header["verdict"], problems
    if report.verdict == "pass":
        assert report.score == report.max_score == 100
        assert not report.diagnoses
    else:
        assert _name(report) == (submission.header["part"], submission.header["cause"]) or (
            submission.path.stem in MISNAMED
        )
        assert submission.header["part"] in {r.check.part for r in report.results if not _passed(r)}


EXTENSIONS = {
    exercise: (known(f"{exercise}/accepted"), known(f"{exercise}/wrong"))
    for exercise in EXERCISES
    if exercise != "gpt2"
}
EXTENSION_BANK = [
    parameters
    for exercise, (accepted, wrong) in EXTENSIONS.items()
    for parameters in some(accepted + wrong, accepted[::4] + one_of_each(wrong)[::16], exercise)
]


@pytest.mark.parametrize(("exercise", "submission"), EXTENSION_BANK)
def test_extension(server: Server, judge: Grade, exercise: str, submission: Known) -> None:
    if submission.header["verdict"] == "fail":
        assert until_it_fails(submission, 0, server, exercise) == "fail"
        return
    report = judge(submission.path, exercise=exercise, base=base_of(exercise, submission.path))
    problems = {r.check.id: f"{r.status}: {r.message}" for r in report.results if not _passed(r)}
    assert report.verdict == "pass", problems
    assert report.score == report.max_score == 100
    assert not report.diagnoses


# `python -m tests.benchmarks.names` names them all.
@pytest.mark.parametrize("exercise", EXTENSIONS)
def test_extension_names_the_bug(judge: Grade, exercise: str) -> None:
    wrong = EXTENSIONS[exercise][1][0]
    report = judge(wrong.path, exercise=exercise, base=base_of(exercise, wrong.path))
    assert report.verdict == "fail"
    assert _name(report) == (wrong.header["part"], wrong.header["cause"])


@pytest.mark.parametrize("exercise", EXTENSIONS)
def test_extension_banks_are_large_enough(exercise: str) -> None:
    accepted, wrong = EXTENSIONS[exercise]
    assert len(accepted) >= 8
    assert len(wrong) >= 15


def _name(report: Report) -> tuple[str, str]:
    """Part and cause of the first diagnosis."""
    first = next(iter(report.diagnoses), None)
    return (first.part, first.cause) if first else ("", "")


def _passed(result: object) -> bool:
    return getattr(result, "status", None) == "pass"


def test_bank_is_large_enough() -> None:
    assert len(ACCEPTED) >= 40
    assert len(WRONG) >= 70


@pytest.mark.parametrize("exercise", EXERCISES)
def test_headers_say_what_must_come_out(exercise: str) -> None:
    accepted, wrong = EXTENSIONS.get(exercise, (ACCEPTED, WRONG))
    for bank, verdict in ((accepted, "pass"), (wrong, "fail")):
        expected = {"verdict", "style"} | ({"part", "cause"} if verdict == "fail" else set())
        for submission in bank:
            assert set(submission.header) == expected, submission
            assert submission.header["verdict"] == verdict, submission
