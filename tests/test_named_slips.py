"""Slips that candidates make: the cause in the part where it is, in words that help."""

from __future__ import annotations

import pytest

from tests.bank import Known, known, some
from tests.conftest import Grade
from tests.screenful import assert_one_screenful

SLIPS = known("named_slips")
FEW = [slip for slip in SLIPS if slip.path.stem in ("no_super_init_in_mlp", "relu")]


@pytest.mark.parametrize("slip", some(SLIPS, FEW))
def test_slip(judge: Grade, slip: Known) -> None:
    report = judge(slip.path, timeout=5.0)
    assert report.verdict == slip.header["verdict"]
    first = report.diagnoses[0]
    assert (first.part, first.cause) == (slip.header["part"], slip.header["cause"])
    if report.verdict == "fail":
        assert_one_screenful(report, slip.header["cause"])
    words = [d.explanation for d in report.diagnoses]
    words += [f"{result.message} {result.traceback}" for result in report.results]
    assert slip.header["says"] in " ".join(words)
    if "points" in slip.header:
        assert report.score == float(slip.header["points"])
