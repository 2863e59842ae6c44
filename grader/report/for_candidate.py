"""A report to send to whom it is about: short, one thing to fix, nothing of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.files import write_whole
from grader.person import label
from grader.report.html import templates
from grader.report.places import name_of, without_place
from grader.text import clean, shorten

Json = dict[str, Any]
_WORDS = 1200  # characters of what is said of one thing
# Folders of this machine: of a library in a traceback, or of whoever grades.
_FOLDERS = re.compile(r"(?<![\w/.)\]])(?:[A-Za-z]:)?[/\\](?:[\w.+@~-]+[/\\])+(?=[\w.+-])")
# What only whoever grades needs to know.
_OF_THE_GRADER = re.compile(
    r"sandbox|seccomp|landlock|namespace|isolation|\bworkers?\b|\bwire\b|exit code -?\d+|rlimit",
    re.I,
)
_PLAIN = {
    "violation": "It did what no answer may do: it read, wrote, started or connected to something "
    "outside of itself.",
    "protocol": "It did not run as a class of PyTorch does, so that nothing can be said of it.",
    "memory": "It needed more memory than there is.",
    "timeout": "It took longer than there is time for.",
}
_UNGRADED = "This could not be graded, which is no verdict on it. A person will look at it."
_INTERNAL = "The grader itself failed, which counts neither for nor against you."


@dataclass(frozen=True)
class Thing:
    """One thing to fix. title: of what; code: what shows it, with what it should and does print."""

    title: str
    words: str
    code: str = ""
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True)
class Letter:
    """What is sent. verdict: or "todo"; points: in words; parts: name, points, points to be had."""

    file: str
    verdict: str
    points: str
    said: tuple[str, ...]
    parts: tuple[tuple[str, str, str], ...]
    thing: Thing | None
    more: bool = False


def letter(report: Json) -> Letter:
    """What to send about a report in its JSON form."""
    points = f"{report['score']:g} of {report['max_score']:g} points"
    by_hand = report.get("by_hand")
    said = []
    if by_hand and by_hand["points"] is not None:
        said.append(f"The points were decided by hand: {by_hand['why']}")
    if twists := report.get("twists"):
        said.append(f"The brief asks for a GPT-2 with {', '.join(map(clean, twists))}.")
    verdict = report["verdict"]
    if verdict in ("ungraded", "internal"):
        said.append(_INTERNAL if verdict == "internal" else _UNGRADED)
        if verdict == "ungraded" and "unreadable" in report:
            said.append(_plain(report["unreadable"], report))
        return Letter(_file(report), verdict, "", tuple(said), (), None)
    things = list(_things(report))
    if not things:
        said.append("Everything is right." if verdict == "pass" else "Nothing more to say.")
    parts = tuple(
        (part["name"], f"{part['score']:g}", f"{part['max_score']:g}") for part in report["parts"]
    )
    first = things[0] if things else None
    return Letter(_file(report), verdict, points, tuple(said), parts, first, len(things) > 1)


def _file(report: Json) -> str:
    """What was handed in, by the name that its author knows."""
    name = Path(report["submission"].get("file", "")).name
    name = name if name and "." in name else name_of(report)
    return label(name).file or name


def _things(report: Json) -> list[Thing]:
    """What there is to fix, the first thing first: bugs with a name, then what fails besides."""
    checks = report["checks"]
    found = []
    for diagnosis in report["diagnoses"]:
        own = [c for c in checks if c["part"] == diagnosis["part"] and c["counterexample"]]
        shown = next((c for c in own if c["status"] != "pass"), None)
        words = _plain(diagnosis["explanation"], report)
        found.append(_thing(f"{diagnosis['part']}: {diagnosis['cause']}", words, shown, report))
    waiting = ("pass", "todo", "not-run")
    named = {diagnosis["part"] for diagnosis in report["diagnoses"]}
    for check in checks:
        if check["status"] in waiting or check["follows"] or check["part"] in named:
            continue
        words = f"{check['requirement']} {_message(check, report)}"
        found.append(_thing(check["part"], words, check, report))
    todo = dict.fromkeys(c["part"] for c in checks if c["status"] == "todo" and c["max_points"])
    names = ", ".join(part for part in todo if part not in named)
    return [*found, Thing(names, "This is not written yet.")] if names else found


def _thing(title: str, words: str, check: Json | None, report: Json) -> Thing:
    example = check["counterexample"] if check else None
    if not example:
        return Thing(title, words)
    code = _plain(example["code"], report)
    return Thing(title, words, code, str(example["expected"]), str(example["found"]))


def _message(check: Json, report: Json) -> str:
    if check["status"] in _PLAIN:
        return _PLAIN[check["status"]]
    words = _plain(check["message"], report)
    if _OF_THE_GRADER.search(words):
        return "It ended before it was done." if check["status"] == "error" else "It does not."
    return f"Found: {words}" if words else ""


def _plain(text: str, report: Json) -> str:
    """The words without folders of this machine, and without what a platform put to a name."""
    words = without_place(clean(text), report)
    own = Path(report["submission"].get("file", "")).name
    for name, known in ((own, _file(report)), (Path(own).stem, Path(_file(report)).stem)):
        words = words.replace(name, known) if name else words
    return shorten(_FOLDERS.sub("", words), _WORDS)


def as_text(report: Json) -> str:
    """What to send, as plain text."""
    found = letter(report)
    lines = [f"{found.file}: {found.points or 'not graded'}", *found.said]
    lines += ["\n".join(f"  {name:<22}{got:>4} of {top}" for name, got, top in found.parts)]
    if thing := found.thing:
        lines += [f"What to fix first: {thing.title}", thing.words]
    if thing and thing.code:
        lines += [thing.code, f"should print  {thing.expected}\nprints        {thing.actual}"]
    if found.more:
        lines.append("When that is done there is more; the next report will tell.")
    return "\n\n".join(line for line in lines if line) + "\n"


def as_page(report: Json) -> str:
    """What to send, as a page that needs nothing else."""
    return templates().get_template("candidate.html.jinja").render(letter=letter(report))


def write(report: Json, path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    write_whole(path, as_page(report))
