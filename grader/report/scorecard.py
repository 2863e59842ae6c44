"""A page to take into the conversation: what is right, what is wrong, and what to ask."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import tomli

from grader.files import write_whole
from grader.path import Met, met
from grader.report.focus import Focus, focuses
from grader.report.html import templates
from grader.results import Report, total
from grader.session import Grading, Session
from grader.text import clean

if TYPE_CHECKING:
    from grader.exercises.debug.sheet import Sheet

RUBRIC = (
    ("Understanding", "says what each part is for, and what would happen without it"),
    ("Code", "names, structure, nothing that is not needed"),
    ("Testing", "tries small cases before being told; believes numbers, not looks"),
    ("Debugging", "narrows down; one change at a time; knows when it is fixed"),
    ("Conversation", "asks what is unclear, thinks aloud, takes a hint"),
)
_MOST = 6  # questions: about a quarter of an hour
_GRADINGS = 12  # of a session that are listed; a page holds no more
_FIXES = 6


@dataclass(frozen=True)
class Question:
    """What to ask, and what a good answer holds. causes, code, twists: see questions.toml."""

    ask: str
    good: str
    causes: tuple[str, ...] = ()
    code: str = ""
    twists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """A question with the reason why it is asked of this code."""

    question: Question
    why: str


def questions() -> list[Question]:
    """All there are, in the order of the file."""
    text = files("grader.report").joinpath("questions.toml").read_text(encoding="utf-8")
    return [
        Question(
            entry["ask"],
            entry["good"],
            tuple(entry.get("causes", ())),
            entry.get("code", ""),
            tuple(entry.get("twists", ())),
        )
        for entry in tomli.loads(text)["question"]
    ]


def chosen(report: Report, known: Sequence[Met], sheet: Sheet | None = None) -> list[Chosen]:
    """Questions for this code: on what was planted in it, on the twists it was asked with, on bugs
    that it has or had, on how it is written, then others.
    """
    found = [
        *_on_plants(sheet),
        *_on_twists(report),
        *_on_bugs(report, known),
        *_on_code(report),
    ]
    once = {one.question.ask: one for one in reversed(found)}
    asked = [one for one in found if once.pop(one.question.ask, None)]
    anywhere = [Chosen(q, "") for q in questions() if not (q.causes or q.code or q.twists)]
    return [*asked[:_MOST], *anywhere[: max(0, _MOST - len(asked))]]


def _on_plants(sheet: Sheet | None) -> Iterator[Chosen]:
    for one in sheet.plants if sheet else ():
        yield Chosen(Question(*one.plant.questions[0]), f"planted: {one.plant.slug}")


def _on_twists(report: Report) -> Iterator[Chosen]:
    for name in report.twists:
        kind = name.partition("=")[0]
        yield from (Chosen(q, f"asked with {name}") for q in questions() if kind in q.twists)


def _on_bugs(report: Report, known: Sequence[Met]) -> Iterator[Chosen]:
    now = {diagnosis.cause: diagnosis.part for diagnosis in report.diagnoses}
    for cause, part in now.items():
        yield from (Chosen(q, f"{part}: {cause}") for q in questions() if cause in q.causes)
    for one in known:
        if one.cause not in now and one.fixed is not None:
            why = f"it had {one.cause} until minute {one.fixed:.0f}"
            yield from (Chosen(q, why) for q in questions() if one.cause in q.causes)


def _on_code(report: Report) -> Iterator[Chosen]:
    texts = {name: data.decode("utf-8", "replace") for name, data in report.files.items()}
    for question in filter(lambda question: question.code, questions()):
        places = ((name, re.search(question.code, text)) for name, text in texts.items())
        name, place = next(((n, p) for n, p in places if p), ("", None))
        if place:
            line = texts[name].count("\n", 0, place.start()) + 1
            yield Chosen(question, f"{clean(name)}, line {line}")


def write(report: Report, session: Session | None, sheet: Sheet | None, path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    write_whole(path, page(report, session, sheet))


def page(report: Report, session: Session | None, sheet: Sheet | None) -> str:
    """The page. session: its clock and record, if there is one; sheet: of a folder to debug."""
    known = met(session) if session else []
    return (
        templates()
        .get_template("scorecard.html.jinja")
        .render(
            report=report,
            name=Path(report.file).name,
            parts=[
                (name, total(results), sum(r.check.points for r in results))
                for name, results in report.parts().items()
            ],
            fixes=_fixes(report),
            session=session,
            gradings=_listed(session),
            met=known,
            planted=sheet.plants if sheet else (),
            questions=chosen(report, known, sheet),
            rubric=RUBRIC,
        )
    )


def _fixes(report: Report) -> list[Focus]:
    """What is wrong, the first things first; what is not written is seen in the points."""
    return [focus for focus in focuses(report) if not focus.todo][:_FIXES]


def _listed(session: Session | None) -> list[Grading]:
    """The gradings at which the points changed, the last ones if there are many."""
    gradings = session.gradings if session else []
    before: list[float | None] = [None, *(grading.score for grading in gradings)]
    told = [g for g, score in zip(gradings, before, strict=False) if g.score != score]
    return told[-_GRADINGS:]
