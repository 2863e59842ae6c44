"""The watcher's screen: what counts on top, one thing below it, the keys at the foot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from grader.report import short
from grader.report.advice import next_step
from grader.report.short import Share, bar
from grader.report.terminal import quoted
from grader.results import CheckResult, Report
from grader.watch.changes import changes
from grader.watch.state import ALL, DIFF, State

KEYS = (
    *(("h", "hint"), ("n", "next"), ("v", "all"), ("d", "diff"), ("o", "page")),
    *(("r", "again"), ("q", "quit")),
)
_STYLES = {"pass": "green", "todo": "yellow", "not-run": "dim"}
_VERDICTS = {"PASS": "bold green", "FAIL": "bold red", "TODO": "bold yellow"}
_PRINTED, _PRINTED_BESIDE = 8, 3  # lines, of which fewer beside a case
_LEAST = 4  # lines of a case
_WIDE = 100  # columns from which a bar has this many characters more
_MORE = 8


class Screen:
    """Draws a state, as large as the terminal is at the moment."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width, height = console.size
        options = options.update(width=width, height=None)
        head = console.render_lines(Group(*self._head(width)), options)
        foot = console.render_lines(Group(*self._foot()), options)
        room = max(1, height - len(head) - len(foot))
        body = console.render_lines(Group(*self._body(console, room)), options)
        end = max(0, len(body) - room)
        self.state.scrolled = min(self.state.scrolled, end)
        shown = body[self.state.scrolled : self.state.scrolled + room]
        if self.state.scrolled < end:
            shown[-1:] = console.render_lines(Text("… more below: space or ↓", "dim"), options)
        shown += [[Segment(" " * width)]] * (room - len(shown))
        lines = [*head, *shown, *foot][:height]
        for number, line in enumerate(lines, 1):
            yield from line
            if number < len(lines):
                yield Segment.line()

    def _head(self, width: int) -> Iterator[RenderableType]:
        top = Table.grid(expand=True)
        top.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        top.add_column(no_wrap=True, justify="right")
        time, late = self.state.time
        top.add_row(self._verdict(), Text(time, "bold red" if late else "bold"))
        yield top
        yield _shares(self.state.shares, width)
        yield Rule(style="dim")

    def _verdict(self) -> Text:
        """The verdict, and what the save changed; while it is graded, how far that is."""
        state = self.state
        text = Text()
        if state.running:
            failed = state.running.failure is not None
            text.append("FAIL  " if failed else "", "bold red")
            text.append(f"grading {state.running.done} of {len(state.running.checks)} ", "bold")
            before = _verdict(state.report) if state.report else ""
            return text.append(f" before: {before}" if before else "", "dim")
        if state.report is None:
            return text.append("nothing is graded yet", "dim")
        verdict = _verdict(state.report)
        text.append(verdict, _VERDICTS.get(verdict[:4], "bold magenta"))
        if state.before:
            found = changes(state.before, state.report)
            gained = f"{found.after - found.before:+g} points" if found else "nothing changed"
            text.append(f"  {gained} since the last save", "dim")
        return text

    def _body(self, console: Console, room: int) -> Iterator[RenderableType]:
        state = self.state
        if state.mode == ALL and state.results:
            yield _all(state.results)
        elif state.mode == DIFF:
            yield _diff(state.diff())
        else:
            yield from self._thing(console, room)

    def _thing(self, console: Console, room: int) -> Iterator[RenderableType]:
        """One thing to fix, and of its case as much as there is room for."""
        focus, above = self.state.focus, list(self._above(console))
        yield from above
        if focus is not None and focus.case:
            prints = short.prints(focus.case)
            used = sum(len(console.render_lines(block)) for block in (*above, prints))
            yield short.code_of(focus.case, focus.part, max(_LEAST, room - used), console.width)
            yield prints

    def _above(self, console: Console) -> Iterator[RenderableType]:
        state, focus = self.state, self.state.focus
        if focus is not None:
            yield short.thing(focus, console)
        if state.hint:
            yield Padding(Text(state.hint, "yellow"), (0, 0, 1, 2))
        if state.report is None or state.running:
            return
        if state.report.unreadable:
            yield Text(state.report.unreadable)
        lines = _PRINTED if focus is None or focus.case is None else _PRINTED_BESIDE
        if printed := "\n".join(text for _, text in state.report.printed(lines)):
            yield Group(Text("your code printed", "dim"), quoted(printed, console))
        if focus is None:
            yield Text(next_step(state.report).replace("run this again", "save"))

    def _foot(self) -> Iterator[RenderableType]:
        state = self.state
        things = len(state.things)
        place = f"{state.thing % things + 1} of {things} to fix" if things > 1 else ""
        words = state.notice or (f"the page: {state.page}" if state.page else "")
        yield Text.assemble((words, "yellow"), "  " if words and place else "", (place, "dim"))
        line = Text(no_wrap=True, overflow="ellipsis")
        if not state.keyboard:
            yield line.append("watching, Ctrl-C quits", "dim")
            return
        for key, does in KEYS:
            line.append("  " if line else "").append(key, "bold cyan").append(f" {does}")
        yield line


def _verdict(report: Report) -> str:
    word = "TODO" if report.untouched else report.verdict.upper()
    return f"{word}  {report.score:g} of {report.max_score:g}"


def _shares(shares: list[Share], width: int) -> Table:
    """Two classes beside each other."""
    table = Table.grid(padding=(0, 1))
    size = 8 + (_MORE if width >= _WIDE else 0)
    cells = [
        (share.name, bar(share.score / share.top, size), f"{share.score:g}/{share.top:g}  ")
        for share in shares
    ]
    for left in range(0, len(cells), 2):
        row = [cell for pair in cells[left : left + 2] for cell in pair]
        table.add_row(*row)
    return table


def _all(results: Sequence[CheckResult]) -> Table:
    """Every check with its status, passed ones too."""
    table = Table(box=None, pad_edge=False)
    table.add_column("check", header_style="dim", no_wrap=True)
    table.add_column("status", header_style="dim", no_wrap=True)
    table.add_column("points", header_style="dim", no_wrap=True, justify="right")
    table.add_column("expected", header_style="dim", overflow="fold")
    for result in results:
        table.add_row(
            result.check.id,
            Text(result.status, _STYLES.get(result.status, "bold red")),
            f"{result.points:g}/{result.check.points:g}",
            result.check.requirement,
        )
    return table


def _diff(lines: list[str]) -> RenderableType:
    if not lines:
        return Text("Nothing is different from the save before.", "dim")
    return Syntax("\n".join(lines), "diff", theme="ansi_dark", background_color="default")
