"""What a slip costs: its own class, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.results import Report, total
from tests.bank import Known, known, some
from tests.conftest import Grade
from tests.screenful import assert_one_screenful

SLIPS = known("slips")
FEW = [k for k in SLIPS if k.path.stem in ("attention_typo", "mlp_unwritten", "mlp_no_module")]
PARTS = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")


def points(report: Report) -> list[float]:
    parts = report.parts()
    return [total(parts[name]) for name in PARTS]


@pytest.mark.parametrize("slip", some(SLIPS, FEW))
def test_a_slip_costs_its_own_class(judge: Grade, slip: Known) -> None:
    report = judge(slip.path)
    assert report.verdict == "fail"
    assert points(report) == [float(word) for word in slip.header["points"].split()]
    assert report.diagnoses[0].part == slip.header["part"]
    assert_one_screenful(report, slip.header["part"])
    for part, replaced in report.stand_ins.items():
        assert part not in replaced
        assert slip.header["part"] in replaced


def test_bank_is_large_enough() -> None:
    assert len(SLIPS) >= 25


def test_a_stand_in_earns_nothing_for_what_it_stands_in_for(
    judge: Grade, tmp_path: Path, reference: str
) -> None:
    # The attention is broken; the block looks for the grader's own and keeps its code.
    broken = reference.replace("math.sqrt(self.head_dim)", "self.nothing", 1).replace(
        "        self.mlp_norm = nn.LayerNorm(embed_dim)\n",
        "        self.mlp_norm = nn.LayerNorm(embed_dim)\n"
        "        kind = CausalSelfAttention.__mro__[1]\n"
        "        if kind is not nn.Module:\n"
        "            CausalSelfAttention.forward = kind.forward\n"
        "            MLP.forward = kind.forward\n",
        1,
    )
    path = tmp_path / "gpt2.py"
    path.write_text(broken, encoding="utf-8")
    report = judge(path)
    assert points(report)[:2] == [0, 15]
    assert points(report)[2] < 20


def test_the_worker_keeps_what_torch_has(judge: Grade, tmp_path: Path, reference: str) -> None:
    head, rest = reference.split("class MLP(nn.Module):")
    body = rest.split("class TransformerBlock")[1]
    path = tmp_path / "gpt2.py"
    path.write_text(f"{head}MLP = nn.Linear\n\n\nclass TransformerBlock{body}", encoding="utf-8")
    found = points(judge(path))
    assert (found[0], found[2], found[3]) == (40, 20, 25)
    assert found[1] < 8
