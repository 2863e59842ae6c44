"""What counts of a hand-in, however it arrives; and what is taken for what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from grader.catalogue import EXERCISES
from grader.grading import Options
from grader.results import Report
from grader.submission import Submission, UnusableInput
from grader.submission.arguments import BRIEF
from tests.conftest import Grade
from tests.hand_ins import FOUND, REFUSED, UNREAD
from tests.mapped import TAKEN
from tests.packing import NOTEBOOK, RIGHT, STUB, file, folder

GPT2 = EXERCISES["gpt2"]


@pytest.mark.parametrize("how", FOUND)
def test_the_code_is_found(how: str, tmp_path: Path) -> None:
    submission = GPT2.read(FOUND[how](tmp_path))
    assert submission.error is None
    assert _meaning(submission) == _meaning(None)
    assert all(item.as_asked for item in submission.taken)
    assert submission.anonymized("gpt2.py").main.endswith("gpt2.py")
    assert not submission.violations
    assert not submission.unwritten


def _meaning(submission: Submission | None) -> dict[str, str]:
    """The four classes, wherever they lie; the right ones for None."""
    files = submission.files.values() if submission else [RIGHT.encode()]
    return {
        node.name: ast.dump(node)
        for text in files
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name in BRIEF
    }


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_is_guessed(what: str, tmp_path: Path) -> None:
    build, words = REFUSED[what]
    with pytest.raises(UnusableInput) as caught:
        GPT2.read(build(tmp_path))
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("what", UNREAD)
def test_what_cannot_be_read_is_said(what: str, tmp_path: Path) -> None:
    build, words = UNREAD[what]
    assert words in (GPT2.read(build(tmp_path)).error or "")


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_taken_for_what(what: str, tmp_path: Path) -> None:
    text, wanted = TAKEN[what]
    submission = GPT2.read(file("gpt2.py", text)(tmp_path))
    assert {item.name: item.own for item in submission.taken} == wanted


def test_what_only_runs_is_left_out_of_a_notebook(tmp_path: Path) -> None:
    submission = GPT2.read(FOUND["notebook, runs"](tmp_path))
    (text,) = submission.files.values()
    assert not any(word in text for word in (b"input.txt", b"range(10**9)", b"matplotlib"))


def test_a_single_file_has_what_it_imports_from_beside_it(tmp_path: Path) -> None:
    where = FOUND["files that import one another"](tmp_path)
    (where / "another.py").write_text("x = 1", encoding="utf-8")
    submission = GPT2.read(where / "gpt2.py")
    assert set(submission.files) == {"gpt2.py", "block.py", "attention.py", "mlp.py"}
    alone = GPT2.read(where / "gpt2.py", beside=False)
    assert set(alone.files) == {"gpt2.py"}


def test_no_import_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1", encoding="utf-8")
    text = f"{RIGHT}\nimport importlib\nimportlib.import_module('/{tmp_path}/secret')\n"
    path = folder({"gpt2.py": text})(tmp_path)
    assert set(GPT2.read(path / "gpt2.py").files) == {"gpt2.py"}


def test_a_stub_alone_is_still_the_stub(tmp_path: Path) -> None:
    submission = GPT2.read(folder({"gpt2.py": STUB})(tmp_path))
    assert submission.unwritten == set(BRIEF)


def test_names_can_be_given(tmp_path: Path) -> None:
    text = TAKEN["two that may be the attention"][0].replace("= First(", "= globals()['First'](")
    path = file("gpt2.py", text)(tmp_path)
    assert not GPT2.read(path).taken
    (item,) = GPT2.read(path, given={"CausalSelfAttention": "First"}).taken
    assert item.words == "your First was taken for CausalSelfAttention"
    with pytest.raises(UnusableInput, match="expected Third"):
        GPT2.read(path, given={"CausalSelfAttention": "Third"})


@pytest.mark.parametrize(
    ("build", "score"),
    [
        (FOUND["notebook, runs"], 100),
        (FOUND["package, relative imports"], 100),
        (FOUND["files of a package above"], 100),
        (FOUND["UTF-16"], 100),
        (file("gpt2.py", TAKEN["all renamed"][0]), 96),
        (file("gpt2.py", TAKEN["config, dataclass"][0]), 96),
        (file("gpt2.py", TAKEN["config, a mapping"][0]), 96),
        (file("gpt2.py", TAKEN["arguments renamed"][0]), 96),
    ],
    ids=["notebook", "package", "above", "utf-16", "renamed", "dataclass", "mapping", "arguments"],
)
def test_only_the_signatures_points_are_lost(
    judge: Grade, tmp_path: Path, build: object, score: int
) -> None:
    report: Report = judge(build(tmp_path))  # type: ignore[operator]  # a Build
    lost = {r.check.id for r in report.results if r.status != "pass"}
    assert report.score == score
    assert all(id.endswith(".signature") for id in lost)
    assert ("taken-for" in report.advisories) == (score < 100)


def test_a_place_in_a_notebook_is_cell_and_line(judge: Grade, tmp_path: Path) -> None:
    broken = NOTEBOOK.replace("self.down_proj(hidden)", "self.down_prjo(hidden)")
    assert broken != NOTEBOOK
    report = judge(file("work.ipynb", broken)(tmp_path))
    shape = next(r for r in report.results if r.check.id == "mlp.shape")
    assert 'work.ipynb", code cell 3, line ' in shape.traceback
    assert report.score == 85


def test_one_by_one_or_together_it_is_the_same(tmp_path: Path) -> None:
    path = FOUND["zip in a zip"](tmp_path)
    alone = Options(untrusted=True).read(path, "gpt2")
    assert alone == Options().read(path, "gpt2", beside=False)
