"""What a watcher shows: what changed, then the whole, then the keys."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from grader.report import terminal
from grader.results import CheckResult, Report
from grader.watch.changes import Changes, changes

_KEYS = (("h", "hint"), ("r", "again"), ("a", "all checks"), ("q", "quit"))
_STYLES = {"pass": "green", "todo": "yellow", "not-run": "dim"}


def graded(before: Report | None, report: Report, console: Console) -> None:
    """What changed since the report before, if there is one, and the whole."""
    console.clear()
    if before is not None:
        _show_changes(changes(before, report), console)
    terminal.show(report, console)


def everything(report: Report, console: Console) -> None:
    """Every check with its status, passed ones too."""
    console.clear()
    table = Table(box=None, pad_edge=False)
    for name, options in (
        ("check", {"no_wrap": True}),
        ("status", {"no_wrap": True}),
        ("points", {"justify": "right", "no_wrap": True}),
        ("asked", {"overflow": "fold"}),
    ):
        table.add_column(name, header_style="dim", **options)
    for result in report.results:
        table.add_row(
            result.check.id,
            _status(result),
            f"{result.points:g}/{result.check.points:g}",
            result.check.requirement,
        )
    console.print(table)
    console.print()


def hint(text: str, console: Console) -> None:
    """A hint, below what is on the screen."""
    console.print(Rule(style="dim"))
    console.print(Text(text))


def unusable(message: str, console: Console) -> None:
    """There is nothing to grade at present."""
    console.clear()
    console.print(Text(f"{message}\nWaiting for the next save.", "yellow"))


def waiting(report: Report | None, keyboard: bool, console: Console) -> None:
    """The last line: the keys, and the time left."""
    line = Text("watching", "dim")
    if report and report.clock:
        line.append(f"  {report.clock.words}", "bold red" if report.clock.late else "bold")
    if keyboard:
        for key, does in _KEYS:
            line.append(f"  {key}", "bold cyan").append(f" {does}")
    else:
        line.append("  Ctrl-C quits", "dim")
    console.print(line)


def _show_changes(found: Changes, console: Console) -> None:
    gained = found.after - found.before
    head = f"since the last save: {gained:+g} points" if found else "nothing changed by this save"
    console.print(Text(head, "bold"))
    lines = [
        *(Text.assemble(("now passes  ", "green"), r.check.id) for r in found.mended),
        *(Text.assemble(("now fails   ", "bold red"), r.check.id) for r in found.broken),
        *(Text.assemble((f"now {r.status:<8}", "yellow"), r.check.id) for r in found.other),
    ]
    for line in lines:
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
    console.print(Rule(style="dim"))


def _status(result: CheckResult) -> Text:
    return Text(result.status, _STYLES.get(result.status, "bold red"))
