"""`grader watch` in a real pseudo-terminal: saves, keys, and a terminal left as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from grader import session
from grader.grading import Options, uniform_report
from grader.results import CheckResult
from grader.watch.events import SAVED, Event, watch_saves
from grader.watch.state import Running, State
from tests.bank import ROOT
from tests.terminal import Terminal, grader

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@pytest.fixture(name="file")
def _file(tmp_path: Path, reference: str) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "gpt2.py").write_text(reference, encoding="utf-8")
    return folder / "gpt2.py"


@pytest.fixture(name="watcher")
def _watcher(file: Path, tmp_path: Path) -> Iterator[Terminal]:
    with grader("watch", file.parent, state=tmp_path) as terminal:
        terminal.wait("PASS", "quit")
        yield terminal


def no_mask(reference: str) -> str:
    changed = reference.replace(".tril()", "")
    assert changed != reference
    return changed


def test_shows_what_a_save_changed_and_one_thing_to_fix(
    watcher: Terminal, file: Path, reference: str
) -> None:
    file.write_text(no_mask(reference), encoding="utf-8")
    shown = watcher.wait("FAIL  75 of 100  -25 points since the last save", "quit")
    assert b"attention.causal" in watcher.raw  # what failed first was shown before the verdict
    assert "✗ CausalSelfAttention: mask-none" in shown
    assert "gpt2.py, line " in shown
    file.write_text(reference, encoding="utf-8")
    watcher.wait("PASS  100 of 100  +25 points since the last save", "quit")
    watcher.command.send("d")
    watcher.wait("+        visible = torch.ones(block_size, block_size, dtype=torch.bool).tril()")


def test_all_and_the_difference_are_those_of_the_save_that_is_graded(file: Path) -> None:
    options = Options(seed=1)
    before = uniform_report(options.read(file, "gpt2"), options, "todo", "")
    state = State(None, keyboard=True)
    state.graded(before)
    assert {result.status for result in state.results} == {"todo"}
    checks = list(options.checks().values())
    passed = [CheckResult(check, "pass", "") for check in checks[:2]]
    changed = {"gpt2.py": before.files["gpt2.py"] + b"fixed = 1\n"}
    state.running = Running(checks, changed, passed)
    assert [result.status for result in state.results] == ["pass", "pass"]
    assert "+fixed = 1" in state.diff()


def test_keys(watcher: Terminal, file: Path, reference: str) -> None:
    watcher.command.send("h")
    watcher.wait("Nothing fails for which there is a hint.")
    both = no_mask(reference).replace('nn.GELU(approximate="tanh")', "nn.ReLU()")
    file.write_text(both, encoding="utf-8")
    watcher.wait("CausalSelfAttention: mask-none", "1 of 2 to fix")
    watcher.command.send("hh")  # the cause's hints first, then those of the check
    watcher.wait("mask-none: hint 2 of 3")
    watcher.command.send("hh")
    watcher.wait("attention.causal: hint 1 of 3")
    watcher.command.send("n")
    watcher.wait("✗ MLP: relu", "2 of 2 to fix")
    watcher.command.send("v")
    watcher.wait("gpt2.gradients", "mlp.width", "quit")
    watcher.command.send("v")
    watcher.wait("✗ CausalSelfAttention: mask-none")
    watcher.command.send("r")
    watcher.wait("grading")
    watcher.wait("nothing changed since the last save", "quit")
    watcher.command.send("q")
    assert watcher.end() == 0


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (40, 120)])
def test_fits_the_terminal_and_its_clock_ticks(
    file: Path, tmp_path: Path, reference: str, rows: int, columns: int
) -> None:
    loud = "print('x is', tuple(x.shape))\n        hidden = self"
    file.write_text(no_mask(reference).replace("hidden = self", loud), encoding="utf-8")
    with grader("watch", file, state=tmp_path, rows=rows, columns=columns) as terminal:
        shown = terminal.wait("FAIL  75 of 100", "should print", "your code printed", "x is (")
        lines = shown.splitlines()
        assert len(lines) == rows
        assert lines[0].startswith("FAIL  75 of 100")
        assert lines[-1].startswith("h hint  n next  v all  d diff  o page  r again  q quit")
        assert lines[4].startswith("✗ CausalSelfAttention: mask-none")
        time.sleep(2.5)
        terminal.command.send("v")
        later = terminal.wait("attention.rows_sum_to_one").splitlines()
        assert later[0].split()[-1] != lines[0].split()[-1]


def test_the_clock_of_a_session_counts_down(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    session.start(folder, 20)
    with grader("watch", folder, state=tmp_path) as terminal:
        terminal.wait("TODO  0 of 100", "19:", " left")


def test_survives_half_a_save_and_a_file_that_is_gone(
    watcher: Terminal, file: Path, reference: str
) -> None:
    with file.open("w", encoding="utf-8") as half:
        half.write(reference[: reference.index("forward(self")] + "forward(")
    shown = watcher.wait("does not parse yet: line ", "was never closed", "quit")
    assert "PASS  100 of 100" in shown  # the last good result stays
    watcher.command.send("r")  # but who wants to know more
    watcher.wait("FAIL  0 of 100", "was never closed", "Nothing else was looked at", "quit")
    file.write_text(reference, encoding="utf-8")
    watcher.wait("PASS", "quit")
    file.rename(file.with_suffix(".bak"))
    watcher.wait("expected gpt2.py in this folder", "PASS  100 of 100")
    file.with_suffix(".bak").rename(file)
    watcher.wait("nothing changed by this save", "quit")


def test_survives_an_editor_that_renames(watcher: Terminal, file: Path, reference: str) -> None:
    for text, seen in ((no_mask(reference), "FAIL  75"), (reference, "PASS  100")):
        new = file.with_suffix(".tmp")
        new.write_text(text, encoding="utf-8")
        new.replace(file)
        watcher.wait(seen, "quit")


def test_a_folder_that_is_gone_and_back(watcher: Terminal, file: Path) -> None:
    away = file.parent.with_name("away")
    file.parent.rename(away)
    time.sleep(1.5)
    away.rename(file.parent)
    watcher.wait("nothing changed by this save", "PASS", "quit")


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C while grading", "q while grading", "q"])
def test_leaves_the_terminal_as_it_was(file: Path, tmp_path: Path, how: str) -> None:
    with grader("watch", file, state=tmp_path) as terminal:
        before = termios.tcgetattr(terminal.command.child_fd)
        if how.endswith("while grading"):
            terminal.wait("grading")
        else:
            terminal.wait("PASS", "quit")
            assert termios.tcgetattr(terminal.command.child_fd) != before
        if how.startswith("q"):
            terminal.command.send("q")
        else:
            terminal.command.sendintr()
        terminal.command.expect(terminal.command.delimiter)
        assert terminal.command.wait() == 0
        assert termios.tcgetattr(terminal.command.child_fd) == before


def test_a_save_while_grading_starts_again(file: Path, reference: str, tmp_path: Path) -> None:
    slow = "import time; time.sleep(0.02); hidden = self"
    file.write_text(no_mask(reference).replace("hidden = self", slow), encoding="utf-8")
    with grader("watch", file, state=tmp_path) as terminal:
        terminal.wait("✗ attention.causal")
        file.write_text(reference, encoding="utf-8")
        assert "before: FAIL" not in terminal.wait("PASS", "quit")


def test_where_there_is_no_screen_it_prints_each_report(file: Path, reference: str) -> None:
    command = [sys.executable, "-m", "grader", "watch", str(file), "--only", "MLP"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as watcher:
        assert watcher.stdout
        lines = iter(watcher.stdout.readline, "")
        assert next(lines).startswith("PASS  15 of 15 points  gpt2, only MLP")
        assert "watching, Ctrl-C quits\n" in lines
        file.write_text(reference + "\n(", encoding="utf-8")
        assert any("does not parse yet" in line for line in lines)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(10) == 0


def test_without_a_keyboard(file: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.py"
    with grader("watch", missing, state=tmp_path) as terminal:
        terminal.wait("no such file or folder")
        assert terminal.end() == 2


class TestSaves:
    """The watcher of files alone."""

    @pytest.fixture(name="saves")
    def _saves(self, file: Path) -> Iterator[Queue[Event]]:
        events: Queue[Event] = Queue()
        stop = threading.Event()
        thread = threading.Thread(target=watch_saves, args=(file, events, stop))
        thread.start()
        time.sleep(0.5)
        yield events
        stop.set()
        thread.join(5)
        assert not thread.is_alive()

    def test_a_burst_is_one_save(self, saves: Queue[Event], file: Path) -> None:
        for number in range(5):
            file.write_text(f"x = {number}", encoding="utf-8")
        assert saves.get(timeout=5) == SAVED
        with pytest.raises(Empty):
            saves.get(timeout=0.7)

    def test_other_files_do_not_count(self, saves: Queue[Event], file: Path) -> None:
        file.with_name("notes.txt").write_text("", encoding="utf-8")
        file.with_name("other.py").write_text("", encoding="utf-8")
        with pytest.raises(Empty):
            saves.get(timeout=0.7)
