"""Look-alikes among submissions: near copies are told, stubs and empty lines are not."""

from __future__ import annotations

from grader.batch import lookalikes
from tests.bank import ROOT


def test_near_copies_are_found_and_stubs_are_not(reference: str) -> None:
    renamed = reference.replace("attn", "attention_").replace("mlp", "feed").replace("# ", "## ")
    other = (ROOT / "tests" / "submissions" / "accepted" / "baddbmm_mask_as_input.py").read_bytes()
    stub = (ROOT / "exercises" / "gpt2.py").read_bytes()
    given = {"a": reference.encode(), "b": renamed.encode(), "c": other, "d": stub, "e": stub}
    texts = [lookalikes.text(name, {"gpt2.py": body}) for name, body in given.items()]
    (group,) = lookalikes.groups(texts, "gpt2.py")
    assert group.names == ("a", "b")
    assert group.score > 0.9
    assert not group.same
    (pair,) = group.pairs
    lines = {line for passage in pair.sides[1].passages for _, line in passage.lines}
    assert any("feed" in line for line in lines)


def test_many_are_one_group_and_the_reference_is_seen(reference: str) -> None:
    copies = [
        lookalikes.text(f"n{n}", {"gpt2.py": reference.replace("attn", f"a{n}").encode()})
        for n in range(6)
    ]
    same = lookalikes.text("same", {"gpt2.py": reference.replace("attn", "a0").encode()})
    (group,) = lookalikes.groups([*copies, same, *lookalikes.reference("gpt2.py")], "gpt2.py")
    assert set(group.names) == {*(f"n{n}" for n in range(6)), "same", lookalikes.REFERENCE}
    assert [pair.names[1] for pair in group.pairs] == [lookalikes.REFERENCE] * 6
    assert group.share == "100 %"


def test_empty_lines_cost_no_time() -> None:
    empty = lookalikes.text("tabs", {"gpt2.py": b"\t\n" * 40_000 + b"x = 1\n"})
    assert empty.lines() == [("40001", "x = 1")]
    assert empty.whole == "x = 1\n"
