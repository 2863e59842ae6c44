"""Commands in a real pseudo-terminal, and what it shows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

from tests.bank import ROOT

ROWS = 70
_SIZES = ("COLUMNS", "LINES")  # what the terminal itself says is what counts
_PATIENCE = 180  # seconds: machines are slow and shared


class Terminal:
    """A command that runs in a terminal of so many columns."""

    def __init__(self, command: pexpect.spawn, columns: int, rows: int) -> None:
        self.command = command
        self.raw = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """What it shows now."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait(self, *words: str) -> str:
        """Read on until all of these are on the screen."""
        ends = time.monotonic() + _PATIENCE
        while not all(word in self.text for word in words):
            assert time.monotonic() < ends, f"never saw {words}:\n{self.text}"
            try:
                part = self.command.read_nonblocking(65536, 0.1)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert all(word in self.text for word in words), f"ended:\n{self.text}"
                break
            self.raw += part
            self._stream.feed(part)
        return self.text

    def end(self) -> int:
        """Read until the command ends; its exit code."""
        self.raw += self.command.read()
        self.command.close()
        return int(self.command.exitstatus)


@contextmanager
def grader(
    *arguments: object,
    columns: int = 200,
    rows: int = ROWS,
    folder: Path = ROOT,
    state: Path,
    **environment: str,
) -> Iterator[Terminal]:
    """`grader …` in a terminal. state: where hints are remembered."""
    command = pexpect.spawn(
        sys.executable,
        ["-m", "grader", *map(str, arguments)],
        cwd=str(folder),
        env={
            **{name: value for name, value in os.environ.items() if name not in _SIZES},
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "GRADER_STATE": str(state),
            **environment,
        },
        dimensions=(rows, columns),
        timeout=_PATIENCE,
    )
    try:
        yield Terminal(command, columns, rows)
    finally:
        command.close(force=True)
