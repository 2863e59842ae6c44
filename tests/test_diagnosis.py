"""Bugs are called by their names, once, and what follows from them is marked."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from grader.bug import read_bugs
from grader.bugs import CAUSES, Bug
from grader.catalogue import EXERCISES
from grader.gpt2 import attention_forms, block_forms, mlp_forms, model_deviations, norms
from grader.results import Report
from tests.bank import FOLDER, Known, known, path_of
from tests.conftest import Grade

EXACT = [
    "mask_none_sdpa_not_causal",
    "no_scale_separate_linears",
    "merge_wrong_no_transpose",
    "mlp_silu_function",
    "block_post_norm_classic",
    "gpt2_no_position_arange_of_zeros",
]
SEVERAL = known("two_bugs")[::5] + known("two_classes")[::3]


def named(report: Report) -> set[str]:
    return {f"{d.part}:{d.cause}" for d in report.diagnoses}


@pytest.mark.parametrize("name", EXACT)
def test_equality_names_a_deviation(judge: Grade, name: str) -> None:
    first = judge(path_of(f"wrong/{name}")).diagnoses[0]
    assert first.certainty == "exact"
    assert first.explanation == CAUSES[first.cause].explanation


def test_what_keeps_state_equals_no_deviation(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "position_offset_carried_over.py")
    assert named(report) == {"GPT2:state-kept-between-calls"}


@pytest.mark.parametrize("submission", SEVERAL, ids=str)
def test_two_bugs_are_both_named(judge: Grade, submission: Known) -> None:
    part = submission.header.get("part")
    wanted = {w if ":" in w else f"{part}:{w}" for w in submission.header["causes"].split()}
    assert wanted <= named(judge(submission.path))


def test_consequences_follow_their_cause(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "mask_none_sdpa_not_causal.py")
    follows = {r.check.id: r.follows for r in report.results if r.status != "pass"}
    assert follows.pop("attention.causal") == ""
    assert follows == dict.fromkeys(("attention.equals", "attention.ways"), "mask-none")


def test_what_stands_on_a_crashing_part_is_judged_without_it(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "mlp_crashes_gelu_not_instantiated.py")
    assert named(report) == {"MLP:layer-not-called"}
    assert {r.check.part for r in report.results if r.status != "pass"} == {"MLP"}
    assert report.stand_ins == {"TransformerBlock": ("MLP",), "GPT2": ("MLP",)}
    assert "the grader's own MLP in place of yours" in report.advisories["stand-ins"]


def test_leak_map_shows_one_position_of_the_future(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "mask_off_by_one_triu_two.py")
    moved = np.array(report.diagnoses[0].leak_map)
    assert moved.shape == (6, 6)
    assert (np.diagonal(moved, 1) > 1e-6).all()
    assert (np.triu(moved, 2) == 0).all()


def test_a_fault_of_the_search_does_not_touch_the_verdict(
    judge: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> tuple[str, ...]:
        raise ZeroDivisionError("by design of this test")

    searches = importlib.import_module("grader.gpt2.diagnosis.diagnose")._SEARCHES
    monkeypatch.setitem(searches, "CausalSelfAttention", broken)
    report = judge(FOLDER / "wrong" / "mask_none_sdpa_not_causal.py")
    assert report.verdict == "fail"
    assert "no-diagnosis" in report.advisories


def test_every_named_cause_is_in_the_catalogue() -> None:
    used = set(norms.DEVIANT_NORMS) | set(mlp_forms.ACTIVATIONS)
    for forms in (
        attention_forms.DEVIANT_ATTENTIONS,
        mlp_forms.DEVIANT_MLPS,
        block_forms.DEVIANT_FORMS,
        model_deviations.DEVIANT_MODELS,
    ):
        used |= {cause for form in forms for cause in form.causes}
    used |= {k.header["cause"] for k in known("wrong")}
    assert used <= set(CAUSES)


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.slug)
def test_entries_of_the_catalogue(cause: Bug) -> None:
    ids = {check.id for exercise in EXERCISES.values() for check in exercise.checks().values()}
    for wanted in cause.checks:
        assert any(id == wanted or id.endswith(wanted) for id in ids)
    assert cause.checks
    assert len(set(cause.hints)) == 3
    assert all(text.rstrip()[-1] in ".?!" for text in (cause.summary, cause.expected, cause.where))


def test_an_entry_that_lacks_something_is_told(tmp_path: Path) -> None:
    table = tmp_path / "bugs.toml"
    table.write_text('[no-scale]\nsummary = "This is attention without a scale."\n')
    with pytest.raises(ValueError, match=r"\[no-scale\] is not a bug: .*expected"):
        read_bugs(table)


def test_a_trait_that_there_is_not_is_told(tmp_path: Path) -> None:
    table = tmp_path / "bugs.toml"
    table.write_text('[no-scale]\ntraits = ["structural", "fatall"]\n')
    with pytest.raises(ValueError, match=r"\[no-scale\] has no such traits: fatall"):
        read_bugs(table)


def test_patterns_may_be_lists_of_alternatives(tmp_path: Path) -> None:
    table = tmp_path / "bugs.toml"
    words = "".join(f'{key} = "Words."\n' for key in ("summary", "expected", "where"))
    table.write_text(f"[relu]\n{words}lines = ['relu', '\\bmax\\(']\nhints = []\nchecks = []\n")
    (bug,) = read_bugs(table)
    assert re.search(bug.lines, "x = max(0, x)")


def test_every_check_has_three_hints() -> None:
    for exercise in EXERCISES.values():
        for check in exercise.checks().values():
            assert len(set(check.hints)) == 3
