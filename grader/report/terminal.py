"""The report on a terminal: the verdict first, what to do next last."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from grader.report.model import CheckResult, Diagnosis, Report, total

_STYLES = {"pass": "bold green", "fail": "bold red", "internal": "bold magenta"}
_BAR = 20  # characters
_WAITING = ("todo", "not-run")
_FAINT = 1e-9  # of a leak map: what rounding leaves


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(_headline(report))
    console.print(_parts(report))
    if not report.untouched:
        for diagnosis in report.diagnoses:
            console.print(_diagnosis(diagnosis, console))
        for part in report.undiagnosed:
            console.print(_undiagnosed(part))
    failed = [r for r in report.results if r.status not in ("pass", *_WAITING)]
    problems = [r for r in failed if not r.follows]
    for alike in _grouped(problems):
        console.print(_problem(alike, console))
    followers = [r for r in failed if r.follows]
    if followers:
        console.print(_followers(followers))
    waiting = [r for r in report.results if r.status in _WAITING]
    if waiting and not report.untouched:
        console.print(_waiting(waiting))
    for id, message in report.advisories.items():
        console.print(Text.assemble(("note ", "yellow"), f"{message} ", (f"[{id}]", "dim")))
    console.print(_footer(report))
    console.print(_next_step(report, problems))


def _headline(report: Report) -> Text:
    verdict = "TODO" if report.untouched else report.verdict.upper()
    style = "bold yellow" if report.untouched else _STYLES[report.verdict]
    return Text.assemble(
        (f"{verdict}", style),
        (f"  {report.score:g} of {report.max_score:g} points", "bold"),
        f"  {report.exercise}: {report.path}",
    )


def _parts(report: Report) -> Padding:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, results in report.parts().items():
        score, top = total(results), sum(r.check.points for r in results)
        filled = round(_BAR * score / top)
        statuses = {r.status for r in results}
        passed = sum(r.status == "pass" for r in results)
        word = "todo" if statuses <= set(_WAITING) else f"{passed} of {len(results)} checks"
        bar = Text("━" * filled, "green") + Text("━" * (_BAR - filled), "bright_black")
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
    shades = " ░▒▓█" if _unicode(console) else " .:+#"
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


def _followers(followers: list[CheckResult]) -> Text:
    """Failures that a named bug accounts for, in a line for each bug."""
    text = Text()
    for cause in dict.fromkeys(r.follows for r in followers):
        its = [f"{r.check.id} (0 of {r.check.points:g})" for r in followers if r.follows == cause]
        text.append(f"follows from {cause}: ", "dim")
        text.append(", ".join(its) + "\n")
    return text


def _grouped(problems: list[CheckResult]) -> list[list[CheckResult]]:
    """Problems that were met with the very same words are told once."""
    groups: dict[object, list[CheckResult]] = {}
    for result in problems:
        key = (result.status, result.message, result.traceback)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def _problem(alike: list[CheckResult], console: Console) -> RenderableType:
    result = alike[0]
    lost = sum(r.check.points for r in alike)
    head = Text.assemble(
        ("✗ " if _unicode(console) else "x ", "bold red"),
        (result.check.id, "bold"),
        (f"  {result.status}" if result.status != "fail" else "", "red"),
        (f"  0 of {lost:g}", "dim"),
    )
    lines: list[RenderableType] = [
        _labelled("asked", result.check.requirement),
        _labelled("found", result.message),
    ]
    if len(alike) > 1:
        lines.append(_labelled("also", ", ".join(r.check.id for r in alike[1:])))
    if result.traceback:
        lines.append(_quoted(result.traceback, console))
    found = result.counterexample
    if found is not None:
        code = Syntax(
            found.code, "python", theme="ansi_dark", background_color="default", word_wrap=True
        )
        lines.append(Padding(code, (1, 0), expand=False))
        lines.append(_labelled("should print", found.expected))
        lines.append(_labelled("prints", found.found, width=12))
    return Group(head, Padding(Group(*lines), (0, 0, 1, 2), expand=False))


def _quoted(text: str, console: Console) -> RenderableType:
    """The submission's own words, each line marked as such."""
    rows = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold", style="red")
    for line in text.rstrip().splitlines():
        rows.add_row("│" if _unicode(console) else "|", Text(line))
    return Padding(rows, (0, 0, 0, 7))


def _labelled(label: str, text: str, width: int = 5) -> Table:
    """A label and, beside it, a text that wraps under itself."""
    row = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    row.add_column(style="dim", min_width=width, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(label, Text(text))
    return row


def _unicode(console: Console) -> bool:
    return "utf" in (console.encoding or "")


def _waiting(waiting: list[CheckResult]) -> Text:
    text = Text("not judged: ", "dim")
    shown = [
        f"{r.check.id} ({'not written yet' if r.status == 'todo' else r.message})" for r in waiting
    ]
    text.append("; ".join(shown) + "\n")
    return text


def _footer(report: Report) -> Text:
    return Text(
        f"seed {report.seed}, isolation {report.isolation_level} "
        f"({', '.join(report.isolation_mechanisms)}), {report.seconds:.1f} s",
        "dim",
    )


def _next_step(report: Report, problems: list[CheckResult]) -> Text:
    if report.verdict == "pass":
        return Text("Next: nothing is left to do here. Explain your choices to somebody.")
    if report.verdict == "internal":
        return Text(
            f"Next: the grader itself failed, which counts neither for nor against the submission. "
            f"Please report this with the seed, {report.seed}."
        )
    if report.untouched:
        return Text(
            f"Next: open {report.file}, read the brief beside it (README.md), write "
            "CausalSelfAttention, and run this again."
        )
    if problems:
        first = problems[0].check.id
        return Text(
            f"Next: mend {first}, then run this again with --seed {report.seed}. "
            f"For a hint: grader hint {first} {shlex.quote(report.path)}"
        )
    part = next(r.check.part for r in report.results if r.status == "todo")
    return Text(f"Next: write {part}, and run this again.")
