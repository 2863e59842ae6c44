"""The whole report on a terminal: the verdict first, what to do next last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from grader.program import program
from grader.report.advice import next_step
from grader.results import WAITING, CheckResult, Clock, Diagnosis, Report, total

_STYLES = {
    "pass": "bold green",
    "fail": "bold red",
    "internal": "bold magenta",
    "ungraded": "bold yellow",
}
_BAR = 20  # characters
_FAINT = 1e-9  # of a leak map: what rounding leaves

_PRINTED = 20  # lines; the page and the JSON have more


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(headline(report))
    if report.unreadable:
        console.print(Text(f"{report.unreadable}\n{next_step(report, program())}"))
        return
    console.print(_parts(report))
    if not report.untouched:
        for diagnosis in report.diagnoses:
            console.print(_diagnosis(diagnosis, console))
        for part in report.undiagnosed:
            console.print(_undiagnosed(part))
    for alike in report.problems:
        _show_problem(alike, console)
    for id, text in report.printed(_PRINTED):
        head = Text.assemble("the submission printed ", (f"in {id}", "dim"))
        console.print(Group(head, indented(quoted(text, console))))
    if report.followers:
        console.print(_followers(report.followers))
    if report.waiting and not report.untouched:
        console.print(_waiting(report.waiting))
    for id, message in report.advisories.items():
        console.print(Text.assemble(("note ", "yellow"), f"{message} ", (f"[{id}]", "dim")))
    console.print(footer(report))
    if report.clock:
        console.print(clock(report.clock))
    console.print(Text(next_step(report, program())), soft_wrap=True)


def headline(report: Report, width: int | None = None) -> Text:
    """The verdict, the points, and what it is about: by its last name where it is too long."""
    verdict = "TODO" if report.untouched else report.verdict.upper()
    style = "bold yellow" if report.untouched else _STYLES[report.verdict]
    points = "" if report.ungraded else f"  {report.score:g} of {report.max_score:g} points"
    said = Text.assemble((f"{verdict}", style), (points, "bold"), f"  {what(report)}: ")
    fits = width is None or said.cell_len + len(report.path) <= width
    return said.append(report.path if fits else Path(report.path).name)


def what(report: Report) -> str:
    """Which exercise was graded, or what alone of it."""
    return f"{report.asked}, only {report.only}" if report.only else report.asked


def _parts(report: Report) -> Padding:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, results in report.parts().items():
        score, top = total(results), sum(r.check.points for r in results)
        filled = round(_BAR * score / top)
        statuses = {r.status for r in results}
        passed = sum(r.status == "pass" for r in results)
        word = "todo" if statuses <= set(WAITING) else f"{passed} of {len(results)} checks"
        bar = Text("━" * filled, "green") + Text("─" * (_BAR - filled), "bright_black")
        judged = report.judged_by.get(name, "")
        table.add_row(name, bar, f"{score:g} of {top:g}", word, Text(judged, "dim"))
    return Padding(table, (1, 0, 1, 2), expand=False)


def _diagnosis(diagnosis: Diagnosis, console: Console) -> RenderableType:
    sure = "" if diagnosis.certainty == "exact" else f"  {diagnosis.certainty}"
    head = Text.assemble(
        (f"{diagnosis.part}: ", "bold"), (diagnosis.cause, "bold cyan"), (sure, "dim")
    )
    lines: list[RenderableType] = [Text(diagnosis.explanation)]
    if diagnosis.leak_map:
        lines.append(Padding(_leak_map(diagnosis.leak_map, console), (1, 0, 0, 0)))
    return Group(head, Padding(Group(*lines), (0, 0, 1, 2), expand=False))


def _undiagnosed(part: str) -> Text:
    return Text.assemble(
        (f"{part}: ", "bold"),
        "none of the bugs that have a name here computes what this class computes. What was "
        "observed stands below.\n",
    )


def _leak_map(rows: Sequence[Sequence[float]], console: Console) -> Text:
    """Row t, column s: how much output t moves when input s changes. The future is red."""
    shades = " ░▒▓█" if has_unicode(console) else " .:+#"
    text = Text("how much output t (rows) moves when input s (columns) changes\n", "dim")
    text.append("     s " + "".join(f"{s:<3d}" for s in range(len(rows))) + "\n", "dim")
    for t, row in enumerate(rows):
        text.append(f"  t {t:<3d}", "dim")
        largest = max(row) or 1.0
        for s, value in enumerate(row):
            # Anything at all is shown: a faint leak is a leak.
            shade = shades[0 if value < _FAINT else max(1, round(4 * value / largest))]
            text.append(shade * 2, "red" if s > t else "green")
            text.append(" ")
        text.append("\n" if t + 1 < len(rows) else "")
    return text


def _followers(followers: Sequence[CheckResult]) -> Text:
    """Failures that a named bug accounts for, in a line for each bug."""
    text = Text()
    for cause in dict.fromkeys(r.follows for r in followers):
        its = [f"{r.check.id} (0 of {r.check.points:g})" for r in followers if r.follows == cause]
        text.append(f"caused by {cause}: ", "dim")
        text.append(", ".join(its) + "\n")
    return text


def _show_problem(alike: Sequence[CheckResult], console: Console) -> None:
    result = alike[0]
    lost = sum(r.check.points for r in alike)
    head = Text.assemble(
        ("✗ " if has_unicode(console) else "x ", "bold red"),
        (result.check.id, "bold"),
        (f"  {result.status}" if result.status != "fail" else "", "red"),
        (f"  0 of {lost:g}", "dim"),
    )
    lines: list[RenderableType] = [
        labelled("expected", result.check.requirement),
        labelled("actual", result.message),
    ]
    if len(alike) > 1:
        lines.append(labelled("also", ", ".join(r.check.id for r in alike[1:])))
    if result.call:
        lines.append(labelled("call", result.call))
    if result.traceback:
        lines.append(quoted(result.traceback, console))
    console.print(Group(head, indented(*lines)))
    found = result.counterexample
    if found is not None:
        # Neither indented nor wrapped nor padded: what is copied from here can be pasted.
        code = Syntax(found.code, "python", theme="ansi_dark", background_color="default")
        console.print(code.highlight(found.code), soft_wrap=True)
        prints = labelled("prints", found.found, width=12)
        console.print(indented(labelled("should print", found.expected), prints))


def indented(*lines: RenderableType) -> Padding:
    """Lines below a head, with an empty one behind."""
    return Padding(Group(*lines), (0, 0, 1, 2), expand=False)


def quoted(text: str, console: Console) -> RenderableType:
    """The submission's own words, each line marked as such."""
    rows = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold", style="red")
    for line in text.rstrip().splitlines():
        rows.add_row("│" if has_unicode(console) else "|", Text(line))
    return Padding(rows, (0, 0, 0, 7))


def labelled(label: str, text: str | Text, width: int = 8) -> Table:
    """A label and, beside it, a text that wraps under itself."""
    row = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    row.add_column(style="dim", min_width=width, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(label, Text(text) if isinstance(text, str) else text)
    return row


def has_unicode(console: Console) -> bool:
    """Whether blocks and the like can be shown."""
    return "utf" in (console.encoding or "")


def _waiting(waiting: Sequence[CheckResult]) -> Text:
    text = Text("not judged: ", "dim")
    groups: dict[str, list[str]] = {}
    for result in waiting:
        why = "not written yet" if result.status == "todo" else result.message
        groups.setdefault(why, []).append(result.check.id)
    shown = [f"{', '.join(ids)} ({why})" for why, ids in groups.items()]
    text.append("; ".join(shown) + "\n")
    return text


def footer(report: Report) -> Text:
    """How it was graded."""
    return Text(
        f"seed {report.seed}, isolation {report.isolation_level} "
        f"({', '.join(report.isolation_mechanisms)}), {report.seconds:.1f} s",
        "dim",
    )


def clock(time: Clock) -> Text:
    """The time left in a session, or how late it is."""
    return Text(time.words, "bold red" if time.late else "bold")
