"""Commands that are timed: one after the other, or in slices of the same minutes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_LOOK = 0.02  # seconds


@dataclass(frozen=True)
class Command:
    """What Python is to run, where."""

    arguments: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class Ran:
    """What a command said; its seconds on the wall's clock, unless stopped, and of all cores.

    slice: seconds after which it was stopped.
    """

    said: str
    whole: float
    processor: float
    slice: float


T = TypeVar("T")
# Gives a command, gets what came of it, and makes something of that.
Task = Generator[Command, Ran, T]


class Process:
    """A command that can be stopped. Whoever waits for it lets it go on."""

    def __init__(self, command: Command) -> None:
        self._arguments = [sys.executable, *command.arguments]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  read after the process has ended
        self._popen: subprocess.Popen[bytes] | None = None
        self._folder = command.folder
        self._whole = 0.0

    def wait(self, seconds: float) -> Ran | None:
        """Let it run so long, or to its end. Exits if it fails."""
        started = time.monotonic()
        self._popen = popen = self._popen or subprocess.Popen(
            self._arguments, cwd=self._folder, stdout=self._said, stderr=subprocess.STDOUT
        )
        popen.send_signal(signal.SIGCONT)
        status, used = 0, None
        while used is None and time.monotonic() - started < seconds:
            time.sleep(_LOOK)
            ended, status, usage = os.wait4(popen.pid, os.WNOHANG)
            used = usage.ru_utime + usage.ru_stime if ended else None
        self._whole += time.monotonic() - started
        if used is None:
            popen.send_signal(signal.SIGSTOP)
            return None
        popen.returncode = os.waitstatus_to_exitcode(status)
        self._said.seek(0)
        said = self._said.read()
        if status:
            sys.exit(f"{' '.join(self._arguments)}\n{said[-4000:]}")
        return Ran(said, self._whole, used, seconds)

    def end(self) -> None:
        """Kill it, unless it has ended."""
        if self._popen is not None and self._popen.returncode is None:
            self._popen.kill()
            self._popen.wait()


def run(command: Command) -> Ran:
    """Run a command to its end."""
    ran = Process(command).wait(math.inf)
    assert ran is not None
    return ran


def in_turn(*tasks: Task[T], slices: float = math.inf) -> list[T]:
    """What comes of them: one after the other, or a slice of each in turn, in seconds."""
    running = {place: Process(next(task)) for place, task in enumerate(tasks)}
    done: dict[int, T] = {}
    try:
        while running:
            for place, process in list(running.items()):
                ran = process.wait(slices)
                if ran is None:
                    continue
                del running[place]
                try:
                    tasks[place].send(ran)
                except StopIteration as end:
                    done[place] = end.value
    finally:
        for process in running.values():
            process.end()
    return [done[place] for place in range(len(tasks))]
