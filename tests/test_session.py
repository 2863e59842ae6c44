"""A timed session: its folder, its clock, its record, and its plot."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader import session as sessions
from grader.files import SESSION_FILE
from grader.report import html
from grader.session import Session, SessionError
from tests.bank import FOLDER, ROOT
from tests.conftest import Grade
from tests.terminal import grader

Command = Callable[..., subprocess.CompletedProcess[str]]
WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


def entries(folder: Path) -> list[dict[str, Any]]:
    text = (folder / SESSION_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def put_back(folder: Path, minutes: float) -> None:
    """Make a session that many minutes older."""
    session = sessions.read(folder)
    session.started -= 60 * minutes
    first = json.dumps(sessions._start_line(session))
    rest = (folder / SESSION_FILE).read_text(encoding="utf-8").splitlines()[1:]
    (folder / SESSION_FILE).write_text("\n".join([first, *rest]) + "\n", encoding="utf-8")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    sessions.start(tmp_path / "attempt", 30)
    return tmp_path / "attempt"


def test_start_lays_out_stubs_and_brief(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "attempt"
    done = command("start", folder, "--minutes", "20")
    assert done.returncode == 0
    assert re.search(rf"Next: cd {folder} && (/\S+/)?grader watch\n", done.stdout)
    for name in ("gpt2.py", "README.md"):
        assert (folder / name).read_bytes() == (ROOT / "exercises" / name).read_bytes()
    assert entries(folder)[0]["minutes"] == 20


@pytest.mark.parametrize("arguments", [[], ["--minutes", "5"]])
def test_start_refuses_a_folder_that_is_not_empty(
    command: Command, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "gpt2.py").write_text("mine", encoding="utf-8")
    done = command("start", tmp_path, *arguments)
    assert done.returncode == 2
    assert "found gpt2.py. Nothing was changed" in done.stderr
    assert os.listdir(tmp_path) == ["gpt2.py"]
    assert (tmp_path / "gpt2.py").read_text(encoding="utf-8") == "mine"


def test_start_says_what_is_in_the_way(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = command("start", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot be set up" in done.stderr
    assert command("start", tmp_path / "x", "--minutes", "0").returncode == 2


def test_gradings_are_recorded_with_their_texts(folder: Path, tmp_path: Path) -> None:
    before = (folder / "gpt2.py").read_bytes()
    for _ in range(2):
        with grader("grade", folder=folder, state=tmp_path) as terminal:
            terminal.wait("30 of 30 minutes left", "TODO", "Next: open gpt2.py")
    (folder / "gpt2.py").write_bytes(WRONG.read_bytes())
    with grader("grade", folder=folder, state=tmp_path) as terminal:
        terminal.wait("75 of 100")
    kinds = [entry["kind"] for entry in entries(folder)]
    assert kinds == ["start", "text", "grading", "grading", "text", "grading"]
    texts = {e["sha256"]: e["files"]["gpt2.py"] for e in entries(folder) if e["kind"] == "text"}
    assert sorted(texts.values()) == sorted([before.decode(), WRONG.read_text(encoding="utf-8")])
    *_, last = entries(folder)
    assert last["score"] == 75
    assert last["parts"]["CausalSelfAttention"] == [15, 40]
    assert texts[last["sha256"]] == (folder / "gpt2.py").read_text(encoding="utf-8")


def test_after_the_time_is_up_everything_works_and_is_late(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    put_back(folder, 34.5)
    out = tmp_path / "report.json"
    done = command("grade", folder, "--json", out, "--html", tmp_path / "report.html")
    assert done.returncode == 1
    assert "LATE by 5 minutes" in done.stdout
    assert json.loads(out.read_text(encoding="utf-8"))["session"]["late"] is True
    assert "LATE by 5 minutes" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert entries(folder)[-1]["late"] is True


def test_a_strangers_session_is_left_alone(command: Command, folder: Path) -> None:
    before = (folder / SESSION_FILE).read_bytes()
    command("grade", folder, "--untrusted", "--allow-weak-isolation")
    assert (folder / SESSION_FILE).read_bytes() == before


def test_only_the_folder_of_a_session_has_a_clock(judge: Grade, tmp_path: Path) -> None:
    assert sessions.find(ROOT / "exercises") is None
    assert sessions.find(tmp_path / "gpt2.py") is None


def test_damaged_lines_are_left_out_and_told(folder: Path) -> None:
    with (folder / SESSION_FILE).open("a", encoding="utf-8") as file:
        file.write('{"kind": "grading"}\n[]\nnot json\n{"kind": "other"}\n')
    said: list[str] = []
    assert sessions.read(folder, said.append).gradings == []
    assert said == [f"{folder / SESSION_FILE}: damaged, left out: line 2, 3, 4, 5"]


GRADING = {
    **{"kind": "grading", "minutes": 1, "verdict": "fail", "score": 1, "max_score": 2},
    **{"parts": {"MLP": [1, 2]}, "sha256": "0"},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"minutes": float("nan")},
        {"minutes": -1},
        {"score": float("inf")},
        {"score": 3},
        {"parts": []},
        {"parts": {"MLP": [2, 1]}},
        {"parts": {"MLP": 1}},
        {"parts": {"MLP": [0, 2]}},
        {"minutes": 1e300},
        {"verdict": "passed with honours"},
        {"verdict": ["pass"]},
        {"causes": 7},
        {"sha256": None, "only": [[]], "causes": [[1, 2, 3]]},
    ],
)
def test_a_forged_line_is_left_out(command: Command, folder: Path, changed: dict[str, Any]) -> None:
    sessions._append(folder / SESSION_FILE, [{**GRADING}, {**GRADING, **changed}])
    done = command("progress", folder)
    assert done.returncode == 0
    assert "damaged, left out: line 3" in done.stderr
    assert "1 grading," in done.stdout


def test_words_of_a_session_are_cleaned_and_its_lines_are_those_of_json(folder: Path) -> None:
    text = {"kind": "text", "sha256": "1", "files": {"gpt2.py": "# \u2028 \x85 \x0c"}}
    forged = {**GRADING, "parts": {"\x1b[31mMLP": [1, 2]}}
    sessions._append(folder / SESSION_FILE, [text, forged])
    said: list[str] = []
    (grading,) = sessions.read(folder, said.append).gradings
    assert not said
    assert [*grading.parts] == ["[31mMLP"]


@pytest.mark.parametrize("minutes", [0, -1, 1e300, "soon", None])
def test_a_session_of_no_time_is_told(folder: Path, minutes: object) -> None:
    first, *_ = entries(folder)
    (folder / SESSION_FILE).write_text(json.dumps({**first, "minutes": minutes}) + "\n")
    with pytest.raises(sessions.SessionError, match="damaged, its first line"):
        sessions.read(folder)


@pytest.mark.parametrize("text", ["", "{}\n", '{"kind": "start", "at": "never"}\n', "\x00"])
def test_a_session_without_a_beginning_costs_no_grading(
    command: Command, folder: Path, text: str
) -> None:
    (folder / SESSION_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(SessionError, match="does not say when it started"):
        sessions.read(folder)
    said: list[str] = []
    assert sessions.find(folder, said.append) is None
    assert "is left as it is" in said[0]
    done = command("progress", folder)
    assert done.returncode == 2
    assert "damaged" in done.stderr


def test_a_link_is_no_session(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    (folder / SESSION_FILE).rename(target)
    (folder / SESSION_FILE).symlink_to(target)
    with pytest.raises(SessionError, match="not a file that `grader start` made"):
        sessions.read(folder)


def test_a_record_that_cannot_be_written_costs_no_report(folder: Path, judge: Grade) -> None:
    session = sessions.read(folder)
    report = judge(WRONG)
    (folder / SESSION_FILE).unlink()
    said: list[str] = []
    assert session.record(report, said.append).score == 75
    assert "could not be recorded" in said[0]


def filled(folder: Path) -> Session:
    """A session with three gradings, the last one late."""
    for minutes, score in ((5, 0), (20, 40), (40, 55)):
        attention = min(score, 40)
        parts = {"CausalSelfAttention": [attention, 40], "MLP": [0, 15]}
        parts["GPT2"] = [score - attention, 45]
        sessions._append(
            folder / SESSION_FILE,
            [
                {
                    **{"kind": "grading", "minutes": minutes, "late": minutes > 30},
                    **{"verdict": "fail", "score": score, "max_score": 100, "seed": 1},
                    **{"parts": parts, "sha256": "0" * 64},
                }
            ],
        )
    return sessions.read(folder)


@pytest.mark.parametrize("columns", [80, 120])
def test_progress_fits_the_terminal(folder: Path, tmp_path: Path, columns: int) -> None:
    filled(folder)
    with grader("progress", folder, columns=columns, state=tmp_path) as terminal:
        shown = terminal.wait("40.0 min", "55 of 100", "late")
        assert terminal.end() == 0
    assert "3 gradings, the last after 40.0 minutes" in shown.replace("\n", " ")
    rows = [line for line in shown.splitlines() if line.startswith(("Causal", "MLP", "all"))]
    assert [row.split()[-1] for row in rows] == ["100%", "0%", "55%"]
    assert columns - 12 < max(map(len, rows)) <= columns
    assert "█" in rows[0]


def test_progress_of_nothing(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command("progress", folder)
    assert "Nothing has been graded yet" in done.stdout
    done = command("progress", tmp_path)
    assert done.returncode == 2
    assert "found no session.jsonl in it" in done.stderr


def test_progress_as_a_page(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "progress.html"
    html.write_progress(filled(folder), page)
    text = page.read_text(encoding="utf-8")
    assert "0% after 5 minutes, 40% after 20 minutes, 55% after 40 minutes" in text
    assert "40.0 (late)" in text


def test_a_session_of_another_exercise(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    assert command("start", folder, "--exercise", "generation").returncode == 0
    names = {path.name for path in folder.iterdir()}
    hidden = {".vscode", ".devcontainer"}
    assert names == {"generation.py", "generation.md", SESSION_FILE} | hidden
    assert "TODO  0 of 100 points  generation" in command("grade", folder).stdout
    assert command("start", tmp_path / "b", "--exercise", "nonsense").returncode == 2
