"""The report on a folder to debug, on a terminal: all in one screenful."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.exercises.debug.plants import FILES
from grader.program import program
from grader.report.advice import next_step
from grader.report.terminal import clock, headline
from grader.results import CheckResult, Report

_PARTS = {*FILES.values(), "Planted bugs"}


def is_plain(report: Report) -> bool:
    """Whether it tells parts or plants, and no more: then it fits in one screen."""
    return {result.check.part for result in report.results} <= _PARTS


def show(report: Report, console: Console) -> None:
    """Print it."""
    console.print(headline(report, console.width))
    if report.unreadable:
        console.print(Text(f"{report.unreadable}\n{next_step(report, program())}"))
        return
    for block in _blocks(report):
        console.print(Padding(block, (0, 0, 1, 2), expand=False))
    if report.clock:
        console.print(clock(report.clock))
    console.print(Text(next_step(report, program())), soft_wrap=True)


def _blocks(report: Report) -> Iterator[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    part = ""
    for result in report.results:
        if result.check.part != part:
            part = result.check.part
            table.add_row(Text(part, "bold"), "")
        table.add_row(*_row(result))
    yield table
    for message in report.advisories.values():
        yield Text(message)


def _row(result: CheckResult) -> tuple[Text, Text]:
    right = result.status == "pass"
    style = "green" if right else "red"
    if result.check.part == "Planted bugs":
        name = f"  {result.id}"
        said = result.message or "none"
    else:
        name = f"  {result.check.requirement.split(' in ')[0]}"
        said = "yes" if right else result.message.removeprefix(f"{result.id}: ")
    if result.id == "run":  # of which the note below says more
        name, said = "  a short run", "yes" if right else "no"
    return Text(name), Text(said, style)
