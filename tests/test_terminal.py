"""What reports look like in a terminal: its width, its colours, its shell."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import click
import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from grader import __main__, cli
from grader.cli import main
from tests.bank import FOLDER, ROOT
from tests.terminal import grader

Command = Callable[..., CompletedProcess[str]]
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38)(?:;\d+)*m")
WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_report_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    with grader("grade", "-v", WRONG, "--seed", 3, columns=columns, state=tmp_path) as terminal:
        shown = terminal.wait("FAIL  75 of 100", "should print", "Next: fix")
        assert terminal.end() == 1
    longest = max(len(line) for line in shown.splitlines())
    assert columns - 12 < longest <= columns
    assert "t 5" in shown  # the leak map
    assert COLOUR.search(terminal.raw)


def test_the_short_report_fits_a_small_terminal(tmp_path: Path) -> None:
    with grader("grade", WRONG, "--seed", 3, columns=80, rows=24, state=tmp_path) as terminal:
        shown = terminal.wait("FAIL  75 of 100", "mask-none", "line 68", "with -v")
        assert terminal.end() == 1
    assert shown.splitlines()[0].startswith("FAIL  75 of 100")  # nothing has scrolled off


def test_a_batch_shows_how_far_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("alice.py", "bob.py", "carol.py"):
        (folder / name).write_text(f"{name[0]} = (", encoding="utf-8")
    out = tmp_path / "out"
    with grader("batch", folder, "--out", out, columns=80, state=tmp_path) as terminal:
        shown = terminal.wait("3/3", "a second", "3 fail", "Next: open")
        assert terminal.end() == 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert b"\x1b[?25h" in terminal.raw  # the cursor is there again


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(tmp_path: Path, variable: dict[str, str]) -> None:
    with grader("grade", WRONG, "--seed", 3, state=tmp_path, **variable) as terminal:
        assert terminal.end() == 1
    assert b"FAIL" in terminal.raw
    assert not COLOUR.search(terminal.raw)


def test_an_interrupted_grading_is_no_verdict(tmp_path: Path) -> None:
    with grader("grade", WRONG, state=tmp_path) as terminal:
        terminal.wait("attention.")
        terminal.command.sendintr()
        assert terminal.end() == 130
    assert b"interrupted; no report was written" in terminal.raw
    assert b"FAIL" not in terminal.raw


def test_ctrl_c_is_no_verdict_whenever_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands["list"], "invoke", interrupted)
    for run in (lambda: main.main(["list"]), __main__.main):
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == 130
        monkeypatch.setattr(cli, "main", interrupted)  # as while it is loading


def test_a_fault_of_the_grader_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(cli, "main", broken)
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("arguments", [("list",), ("grade", "none.py")])
def test_output_that_nobody_takes_is_no_verdict(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "grader", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_verdict() -> None:
    command = [sys.executable, "-m", "grader", "list"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_no_escapes_outside_a_terminal(command: Command) -> None:
    assert "\x1b" not in command("grade", WRONG, "--seed", 3).stdout


@pytest.mark.parametrize("name", [None, *main.commands])
def test_every_help_has_an_example(command: Command, name: str | None) -> None:
    done = command(*([name] if name else []), "--help")
    assert done.returncode == 0
    assert "Example: grader " in " ".join(done.stdout.split())


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_completion(shell: type[click.shell_completion.ShellComplete]) -> None:
    complete = shell(main, {}, "grader", "_GRADER_COMPLETE")
    assert "_GRADER_COMPLETE" in complete.source()

    def found(*words: str) -> set[str]:
        return {item.value for item in complete.get_completions(list(words[:-1]), words[-1])}

    assert found("w") == {"watch"}
    assert {"--html", "--json", "--seed"} <= found("grade", "--")
    assert found("hint", "attention.ca") == {"attention.causal"}
    assert "mask-none" in found("hint", "mask-")
    assert found("grade", "--policy", "") == {"from-scratch", "any"}
