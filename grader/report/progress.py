"""A session over time, on a terminal: for each part a row of blocks, as high as its share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.path import met
from grader.report.terminal import has_unicode
from grader.session import Session, lines

_BLOCKS = "▁▂▃▄▅▆▇█"
_DIGITS = "01234567"  # the same on a terminal without blocks
_TICKS = 3  # on the axis of time, beside its beginning
_NARROWEST = 20  # characters of the plot
_BESIDE = 30  # characters for what stands left and right of it


def show(session: Session, console: Console) -> None:
    """Print the plot, and a line for each grading."""
    console.print(Text.assemble((str(session.folder), "bold"), f"  {summary(session)}"))
    if not session.gradings:
        console.print("Nothing has been graded yet. Next: grader grade, in this folder.")
        return
    width = max(_NARROWEST, console.width - _BESIDE)
    end = axis_end(session)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, points in lines(session):
        last = points[-1][1]
        style = "green" if last == 1 else "cyan"
        row = _row(points, width, end, has_unicode(console))
        table.add_row(Text(name), Text(row, style), Text(f"{last:.0%}"))
    table.add_row("minutes", Text(_axis(width, end), "dim"), "")
    console.print(table)
    console.print()
    for grading in session.gradings[-10:]:
        late = "  late" if grading.minutes > session.minutes else ""
        console.print(
            Text(
                f"{grading.minutes:6.1f} min  {grading.score:g} of {grading.max_score:g}  "
                f"{grading.word}{late}"
            )
        )
    for one in met(session):
        console.print(Text.assemble((f"{one.part}: {one.cause}", "cyan"), f"  {one.words}"))
    if session.hints:
        topics = ", ".join(dict.fromkeys(hint.topic for hint in session.hints))
        console.print(Text(f"hints taken: {len(session.hints)} ({topics})"))


def show_kinds(kinds: Sequence[tuple[str, int, int, float | None]], console: Console) -> None:
    """Print which kinds of planted bugs were found in practice, how often, and in what time."""
    if not kinds:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("kind of bug", "found", "missed", "minutes"):
        table.add_column(name, header_style="dim", justify="left" if name[0] == "k" else "right")
    for topic, found, missed, minutes in kinds:
        mean = "" if minutes is None else f"{minutes:.0f}"
        style = "red" if missed else "green"
        table.add_row(Text(topic, style), str(found), str(missed), mean)
    console.print()
    console.print(table)


def summary(session: Session) -> str:
    """How often it was graded and when last, and the time left if there is any."""
    clock, count = session.clock(), len(session.gradings)
    words = "1 grading" if count == 1 else f"{count} gradings"
    if session.gradings:
        words += f", the last after {session.gradings[-1].minutes:.1f} minutes"
    return f"{words}, {clock.words}" if not clock.late else f"{words}, of {session.minutes:g}"


def axis_end(session: Session) -> float:
    """Minutes at the right end of the plot: the session's, or the last grading's if it is late."""
    return max([session.minutes, *(grading.minutes for grading in session.gradings)])


def _row(points: Sequence[tuple[float, float]], width: int, end: float, unicode: bool) -> str:
    """The share after the last grading before each moment; nothing before the first."""
    levels = _BLOCKS if unicode else _DIGITS
    row = ""
    for column in range(width):
        until = end * (column + 1) / width
        before = [share for minutes, share in points if minutes <= until]
        row += levels[math.floor(before[-1] * (len(levels) - 1))] if before else " "
    return row


def _axis(width: int, end: float) -> str:
    """Numbers under the plot, each beginning at its own place."""
    text = "0"
    for tick in range(1, _TICKS + 1):
        label = f"{end * tick / _TICKS:.3g}"
        place = round(width * tick / _TICKS)
        text = text.ljust(place - len(label) if tick == _TICKS else place) + label
    return text
