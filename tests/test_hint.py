"""`grader hint` as a person runs it: a step at a time, remembered between runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from grader.bugs import CAUSES
from grader.catalogue import EXERCISES
from tests.bank import ROOT

Command = Callable[..., CompletedProcess[str]]
Write = Callable[[str], Path]
CHECKS = {check.id: check for check in EXERCISES["gpt2"].checks().values()}
CAUSAL = CHECKS["attention.causal"]
SLUG, CAUSE = next(iter(CAUSES.items()))


@pytest.fixture(name="state", autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the memory, which no other test and no person uses."""
    monkeypatch.setenv("GRADER_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "hints.json"


@pytest.fixture(name="submission")
def _submission(write: Write) -> Path:
    return write("class MLP:\n    pass\n")


def step(done: CompletedProcess[str]) -> int:
    """Which hint was shown. Nothing may have gone wrong."""
    assert (done.returncode, done.stderr) == (0, "")
    return step_in(done.stdout)


def step_in(text: str) -> int:
    return int(text.partition(" of 3")[0].rpartition("hint ")[2])


def test_three_steps_and_the_last_again(command: Command, submission: Path) -> None:
    texts = [command("hint", CAUSAL.id, submission).stdout for _ in range(4)]
    assert [step_in(text) for text in texts] == [1, 2, 3, 3]
    for text, hint in zip(texts, [*CAUSAL.hints, CAUSAL.hints[-1]], strict=True):
        assert hint in text
        assert f"grader hint attention.causal {submission}" in text
    assert [f"shows hint {n}" in texts[n - 2] for n in (2, 3)] == [True, True]
    assert ["no further hint" in text for text in texts] == [False, False, False, True]
    assert "This was the last hint" in texts[2]


def test_each_check_has_a_count_of_its_own(command: Command, submission: Path) -> None:
    other = next(id for id in CHECKS if id != CAUSAL.id)
    asked = [CAUSAL.id, other, CAUSAL.id, other]
    assert [step(command("hint", id, submission)) for id in asked] == [1, 1, 2, 2]


def test_each_submission_has_a_count_of_its_own(command: Command, submission: Path) -> None:
    assert step(command("hint", CAUSAL.id, submission)) == 1
    assert step(command("hint", CAUSAL.id)) == 1
    assert step(command("hint", CAUSAL.id, "exercises/gpt2.py")) == 2


def test_one_file_by_several_paths(command: Command, submission: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(submission.parent)
    paths = [submission, submission.parent, link / "gpt2.py"]
    assert [step(command("hint", CAUSAL.id, path)) for path in paths] == [1, 2, 3]


def test_edited_and_broken_submissions_keep_their_count(command: Command, write: Write) -> None:
    assert step(command("hint", CAUSAL.id, write("x = 1\n"))) == 1
    assert step(command("hint", CAUSAL.id, write("def (:\n"))) == 2


def test_restart(command: Command, submission: Path) -> None:
    command("hint", CAUSAL.id, submission)
    command("hint", SLUG, submission)
    assert step(command("hint", CAUSAL.id, submission, "--restart")) == 1
    assert step(command("hint", CAUSAL.id, submission)) == 2
    assert step(command("hint", SLUG, submission)) == 2


def test_causes(command: Command, submission: Path) -> None:
    for number, hint in enumerate(CAUSE.hints, start=1):
        done = command("hint", SLUG, submission)
        assert step(done) == number
        assert hint in done.stdout


@pytest.mark.parametrize(
    ("id", "closest"),
    [
        ("attention.casual", "attention.causal"),
        ("Attention.Causal", "attention.causal"),
        ("causal", "attention.causal"),
        (f"{SLUG}s", SLUG),
    ],
)
def test_unknown_check(command: Command, state: Path, id: str, closest: str) -> None:
    done = command("hint", id)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no check or cause '{id}'" in done.stderr
    assert closest in done.stderr
    assert "grader list" in done.stderr
    assert not state.exists()


def test_a_check_like_none(command: Command) -> None:
    done = command("hint", "0123456789")
    assert done.returncode == 2
    assert "closest" not in done.stderr
    assert "grader list" in done.stderr


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no/such/file.py", "no such file or folder"),
        ("README.md", "not a Python file"),
        ("tests", "expected one gpt2.py, found"),
    ],
)
def test_unusable_path(command: Command, state: Path, path: str, words: str) -> None:
    done = command("hint", CAUSAL.id, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"grader: {path}: " in done.stderr
    assert words in done.stderr
    assert not state.exists()


@pytest.mark.parametrize(
    "damage",
    [b"", b'{"cut": {"o', b"\xff\xfe\xfa", b"[" * 100_000, b"[]", b'{"a": 1}', b'{"a": {"b": -1}}'],
    ids=["empty", "cut", "bytes", "deep", "list", "flat", "negative"],
)
def test_damaged_memory(command: Command, submission: Path, state: Path, damage: bytes) -> None:
    state.parent.mkdir()
    state.write_bytes(damage)
    done = command("hint", CAUSAL.id, submission)
    assert (done.returncode, step_in(done.stdout)) == (0, 1)
    assert f"{state}: damaged" in done.stderr
    anew = json.loads(state.read_text(encoding="utf-8"))
    assert anew == {str(submission.resolve()): {CAUSAL.id: 1}}


def test_more_hints_remembered_than_there_are(
    command: Command, submission: Path, state: Path
) -> None:
    state.parent.mkdir()
    state.write_text(json.dumps({str(submission.resolve()): {CAUSAL.id: 9}}), encoding="utf-8")
    assert step(command("hint", CAUSAL.id, submission)) == 3


def test_unwritable_memory(command: Command, submission: Path, state: Path) -> None:
    state.parent.write_text("a file where the folder should be", encoding="utf-8")
    for _ in range(2):
        done = command("hint", CAUSAL.id, submission)
        assert (done.returncode, step_in(done.stdout)) == (0, 1)
        assert "could not be remembered" in done.stderr


def test_unreadable_memory(command: Command, submission: Path, state: Path) -> None:
    state.mkdir(parents=True)
    done = command("hint", CAUSAL.id, submission)
    assert (done.returncode, step_in(done.stdout)) == (0, 1)
    assert f"{state}: cannot be read" in done.stderr
    assert "could not be remembered" in done.stderr
    assert [file.name for file in state.parent.iterdir()] == ["hints.json"]  # no debris


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("XDG_STATE_HOME", "shared", "shared/gpt2-interview-kit"),
        ("HOME", "home", "home/.local/state/gpt2-interview-kit"),
    ],
)
def test_places_of_the_memory(
    command: Command,
    submission: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    place: str,
) -> None:
    for name in ("GRADER_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(submission.parent / value))
    assert step(command("hint", CAUSAL.id, submission)) == 1
    memory = json.loads((submission.parent / place / "hints.json").read_text(encoding="utf-8"))
    assert memory == {str(submission.resolve()): {CAUSAL.id: 1}}


def test_help_has_an_example(command: Command) -> None:
    assert "Example: grader hint" in command("hint", "--help").stdout


def test_no_torch_is_imported() -> None:
    code = (
        "import sys\n"
        "from grader.cli import main\n"
        "main(['hint', 'attention.causal'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
