"""The report for editors and build servers: a line for each place in question."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.report.focus import focuses
from grader.results import Report
from grader.text import clean


@dataclass(frozen=True)
class Problem:
    """One place in question, or what has none. line: from 1."""

    severity: str  # error, or info for a further line of the same thing
    file: str
    line: int
    title: str
    message: str


def as_lines(form: str, report: Report) -> str:
    """The report in a form: "github", "vscode" or "json-lines"."""
    found = list(problems(report))
    if form == "json-lines":
        lines = list(_json_lines(report, found))
    else:
        write = _github if form == "github" else _vscode
        lines = [write(problem) for problem in found]
        lines.append(_summary(form, report))
    return "\n".join(lines) + "\n"


def problems(report: Report) -> Iterator[Problem]:
    """What there is to fix, the first thing first, at each of its lines."""
    root = _root(report)
    if report.unreadable:
        first = next((m for m in report.marks if m.why.startswith("syntax error")), None)
        file = root / first.file if first else Path(report.file)
        message = report.unreadable.splitlines()[0]
        yield Problem("error", _shown(file), first.line if first else 1, "does not parse", message)
    for focus in focuses(report):
        words = [focus.sentence.splitlines()[0], *([focus.observed] if focus.observed else [])]
        message = " ".join(" ".join(words).split())
        severity = "info" if focus.todo else "error"
        for place in focus.places:
            # A notebook's lines are those of a cell, which no editor knows by a number.
            line = 1 if place.file.endswith(".ipynb") else place.line
            yield Problem(severity, _shown(root / place.file), line, focus.title, message)
            severity = "info"
        if not focus.places:
            yield Problem(severity, _shown(Path(report.file)), 1, focus.title, message)


def _root(report: Report) -> Path:
    """The folder in which the files have their names."""
    for name in report.files:
        if Path(report.file) == Path(report.file.removesuffix(name), name):
            return Path(report.file.removesuffix(name))
    return Path(report.file).parent


def _shown(file: Path) -> str:
    """A file as it is named from here, if it is below."""
    try:
        return file.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return os.fspath(file)


def _verdict(report: Report) -> str:
    word = "TODO" if report.untouched else report.verdict.upper()
    return f"{word}  {report.score:g} of {report.max_score:g} points"


def _summary(form: str, report: Report) -> str:
    if form == "vscode":
        return _verdict(report)
    kind = "notice" if report.verdict == "pass" else "error"
    return f"::{kind} title=grader::{_data(_verdict(report))}"


def _vscode(problem: Problem) -> str:
    return (
        f"{problem.file}:{problem.line}:1: {problem.severity}: {problem.title}: {problem.message}"
    )


def _github(problem: Problem) -> str:
    """An annotation: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    kind = "error" if problem.severity == "error" else "notice"
    file, title = _property(problem.file), _property(problem.title)
    return f"::{kind} file={file},line={problem.line},title={title}::{_data(problem.message)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _json_lines(report: Report, found: list[Problem]) -> Iterator[str]:
    said = report.as_json()
    entries: list[dict[str, object]] = [{"kind": "check", **check} for check in said["checks"]]
    entries += [{"kind": "problem", **vars(problem)} for problem in found]
    entries.append(
        {
            "kind": "report",
            "schema_version": said["schema_version"],
            "exercise": said["exercise"],
            "verdict": said["verdict"],
            "passed": said["passed"],
            "score": said["score"],
            "max_score": said["max_score"],
            "seed": said["seed"],
        }
    )
    for entry in entries:
        yield json.dumps(entry, ensure_ascii=False)
