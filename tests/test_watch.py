"""`grader watch` in a real pseudo-terminal: saves, keys, and a terminal left as it was."""

from __future__ import annotations

import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from grader.watch.events import SAVED, Event, watch_saves
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


def test_shows_what_a_save_changed_and_then_the_whole(
    watcher: Terminal, file: Path, reference: str
) -> None:
    file.write_text(no_mask(reference), encoding="utf-8")
    shown = watcher.wait("mask-none", "quit")
    assert shown.index("since the last save: -25 points") < shown.index("FAIL  75 of 100")
    assert "now fails   attention.causal" in shown
    file.write_text(reference, encoding="utf-8")
    shown = watcher.wait("since the last save: +25 points", "quit")
    assert "now passes  attention.causal" in shown
    assert "PASS  100 of 100" in shown


def test_keys(watcher: Terminal, file: Path, reference: str) -> None:
    watcher.command.send("h")
    watcher.wait("Nothing fails, so there is no hint.")
    file.write_text(no_mask(reference), encoding="utf-8")
    watcher.wait("mask-none", "quit")
    watcher.command.send("h")
    watcher.wait("attention.causal  hint 1 of 3")
    watcher.command.send("h")
    watcher.wait("attention.causal  hint 2 of 3")
    watcher.command.send("a")
    watcher.wait("gpt2.gradients", "mlp.width", "quit")
    watcher.command.send("r")
    watcher.wait("nothing changed by this save", "FAIL  75 of 100", "quit")
    watcher.command.send("q")
    assert watcher.end() == 0


def test_survives_half_a_save_and_a_file_that_is_gone(
    watcher: Terminal, file: Path, reference: str
) -> None:
    with file.open("w", encoding="utf-8") as half:
        half.write(reference[: reference.index("forward(self")] + "forward(")
    watcher.wait("FAIL", "was never closed", "quit")
    file.write_text(reference, encoding="utf-8")
    watcher.wait("PASS", "quit")
    file.rename(file.with_suffix(".bak"))
    watcher.wait("expected gpt2.py in this folder", "Waiting for the next save")
    file.with_suffix(".bak").rename(file)
    watcher.wait("PASS", "quit")


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


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C while grading", "q"])
def test_leaves_the_terminal_as_it_was(file: Path, tmp_path: Path, how: str) -> None:
    with grader("watch", file, state=tmp_path) as terminal:
        before = termios.tcgetattr(terminal.command.child_fd)
        if how == "Ctrl-C while grading":
            terminal.wait("grading")
        else:
            terminal.wait("PASS", "quit")
            assert termios.tcgetattr(terminal.command.child_fd) != before
        if how == "q":
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
        terminal.wait("mlp.")
        file.write_text(reference, encoding="utf-8")
        assert "FAIL" not in terminal.wait("PASS", "quit")


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
