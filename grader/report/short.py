"""The report in one screenful: the verdict, the first thing to fix, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from grader.catalogue import ALL, DEBUG
from grader.check import Counterexample
from grader.program import program
from grader.report.advice import next_step
from grader.report.focus import Focus, first_sentence, focuses
from grader.report.terminal import clock, footer, headline, indented, labelled, quoted
from grader.results import WAITING, Report, total

_BAR = 10  # characters
_PRINTED = 3  # lines
_NOTES = 3
_LEAST_CODE = 2  # lines of a case that are shown in any case


@dataclass(frozen=True)
class Share:
    """What a class, or of all exercises each one, has of its points. note: what is special."""

    name: str
    score: float
    top: float
    note: str


def show(report: Report, console: Console, height: int | None = None) -> None:
    """Print it. height: the lines that there are; the case is cut to fit, but for two lines."""
    if report.exercise == DEBUG:
        from grader.exercises.debug import screen

        if screen.is_plain(report):
            screen.show(report, console)
            return
    above = [headline(report, console.width), *_overview(report)]
    found = focuses(report)
    below = list(_below(report, found, console))
    case = found[0].case if found else None
    if found:
        above.append(thing(found[0], console))
    room = None
    if height is not None:
        step = next_step(report, program()).splitlines()
        used = sum(len(console.render_lines(block)) for block in (*above, *below))
        used += _height(step, console.width) + 5  # with what it prints, -v, and the shell's prompt
        room = max(_LEAST_CODE, height - used)
    for block in above:
        console.print(block)
    if case:
        # Neither indented nor wrapped nor padded: what is copied from here can be pasted.
        console.print(code_of(case, found[0].part, room, console.width), soft_wrap=True)
        console.print(prints(case))
    for block in below:
        console.print(block)
    # Not wrapped: what is to be typed can be copied.
    console.print(Text(next_step(report, program())), soft_wrap=True)
    if found or report.advisories:
        console.print(Text("For the whole report type the same with -v.", "dim"))


def shares(report: Report) -> list[Share]:
    """The points by class; of all exercises together, by exercise."""
    if report.exercise == ALL:
        return _by_exercise(report)
    found = []
    for name, results in report.parts().items():
        waiting = {r.status for r in results} <= set(WAITING)
        others = " and ".join(report.stand_ins.get(name, ()))
        note = "todo" if waiting else f"on the grader's {others}" if others else ""
        found.append(Share(name, total(results), sum(r.check.points for r in results), note))
    return found


def _by_exercise(report: Report) -> list[Share]:
    sums: dict[str, list[float]] = {}
    for name, results in report.parts().items():
        exercise = name.split(": ")[0] if ": " in name else "gpt2"
        both = sums.setdefault(exercise, [0.0, 0.0])
        both[0] += total(results)
        both[1] += sum(r.check.points for r in results)
    return [Share(name, score, top, "") for name, (score, top) in sums.items()]


def bar(share: float, width: int = _BAR) -> Text:
    """How much of a whole is reached."""
    filled = round(width * share)
    return Text("━" * filled, "green") + Text("─" * (width - filled), "bright_black")


def thing(focus: Focus, console: Console) -> RenderableType:
    """What is to fix: its name, the sentence, what was observed, and the line."""
    lines: list[RenderableType] = [Text(focus.sentence)]
    if focus.observed:
        lines.append(labelled("actual", focus.observed, width=7))
    # What does not parse quotes its line, with a caret below.
    for place in focus.places if "\n" not in focus.sentence else ():
        code = Text.assemble((place.words, "bold"), f"  {place.code}")
        lines.append(labelled("look at" if place == focus.places[0] else "", code, width=7))
    mark = Text.assemble(("✗ ", "bold red"), (focus.title, "bold cyan"))
    return Group(mark, indented(*lines))


def code_of(case: Counterexample, part: str, room: int | None, width: int) -> Text:
    """The code of a case; where that is too long for the room its end, below what it is about."""
    lines = case.code.splitlines()
    if room is not None and _height(lines, width) > room:
        about = [line for line in lines if f"{part}(" in line][:1]
        end = lines[-max(_LEAST_CODE, room - 2) :]
        lines = [*(line for line in about if line not in end), "...", *end]
        while len(lines) > _LEAST_CODE + 2 and _height(lines, width) > room:
            del lines[-_LEAST_CODE - 1]
    text = "\n".join(lines)
    code = Syntax(text, "python", theme="ansi_dark", background_color="default").highlight(text)
    code.rstrip()  # the empty line that it ends with
    return code


def _height(lines: Sequence[str], width: int) -> int:
    return sum(1 + max(0, len(line) - 1) // width for line in lines)


def prints(case: Counterexample) -> Padding:
    """What the code of a case should print, and what it prints."""
    rows = (
        labelled("should print", case.expected, width=12),
        labelled("prints", case.found, width=12),
    )
    return indented(*rows)


def _overview(report: Report) -> Iterator[RenderableType]:
    if report.unreadable:
        yield Text(report.unreadable)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(4):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for share in shares(report):
        points = f"{share.score:g} of {share.top:g}"
        table.add_row(share.name, bar(share.score / share.top), points, Text(share.note, "dim"))
    yield Padding(table, (1, 0, 1, 2), expand=False)


def _below(report: Report, found: Sequence[Focus], console: Console) -> Iterator[RenderableType]:
    if printed := "\n".join(text for _, text in report.printed(_PRINTED)):
        yield Group(Text("your code printed", "dim"), quoted(printed, console))
    if len(found) > 1:
        others = ", ".join(dict.fromkeys(focus.title for focus in found[1:4]))
        more = f", and {len(found) - 4} more" if len(found) > 4 else ""
        yield Text.assemble(("after that  ", "dim"), f"{others}{more}")
    yield from _notes(report)
    if report.isolation_level != "full" or report.verdict == "internal":
        yield footer(report)
    if report.clock:
        yield clock(report.clock)


def _notes(report: Report) -> Iterator[RenderableType]:
    """Remarks where nothing is wrong; with something to fix they would only be in the way."""
    if report.verdict == "pass":
        for message in list(report.advisories.values())[:_NOTES]:
            yield Text.assemble(("note  ", "yellow"), first_sentence(message))
