"""How far a run is, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

_BAR = 20  # columns
_EVERY = 10.0  # seconds between two lines where there is no terminal


class Shown:
    """A bar with what is going on beside it; lines now and then where there is no terminal."""

    def __init__(self, console: Console, bar: Progress | None, total: int, done: int) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None
        self._total = total
        self._first = done
        self._started = self._last = time.monotonic()
        if bar is not None:
            self._task = bar.add_task("", total=total, completed=done, facts="")

    def advance(self, done: int, facts: Sequence[str]) -> None:
        """Say that so much is done. facts: such as "loss 2.31", "48,000 tokens a second"; where the
        terminal is narrow, as many of them as there is room for.
        """
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._started, 1e-9)
        left = f"{clock((self._total - done) / max(rate, 1e-9))} left"
        if self._bar is not None and self._task is not None:
            room = self._console.width - _BAR - 2 * len(str(self._total)) - 4
            self._bar.update(self._task, completed=done, facts=fitting(facts, left, room))
        elif now - self._last >= _EVERY or done == self._total:
            self._last = now
            self.say(f"{done} of {self._total}  {', '.join([*facts, left])}")

    def say(self, text: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)


def fitting(facts: Sequence[str], left: str, room: int) -> str:
    """The first of the facts, and what is left, in so many columns."""
    for count in range(len(facts), 0, -1):
        line = ", ".join([*facts[:count], left])
        if len(line) <= room:
            return line
    return left


@contextmanager
def shown(console: Console, total: int, done: int = 0) -> Iterator[Shown]:
    """What shows the progress from `done` to `total`."""
    if not console.is_terminal:
        yield Shown(console, None, total, done)
        return
    columns = (
        BarColumn(_BAR),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        yield Shown(console, bar, total, done)


def clock(seconds: float) -> str:
    """Such as 1:02:33."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
