"""One thing at a time: what is wrong, where, and the smallest case, the first thing first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from grader.check import Counterexample
from grader.results import WAITING, CheckResult, Diagnosis, Mark, Report
from grader.text import clean
from grader.vocabulary import UNPARSED

_SENTENCE = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.?!])\s+")  # what ends one
_LINES = re.compile(r"\r\n|\r|\n")  # as Python counts lines


_OBSERVED = " Observed: "  # in an explanation, before what was seen
_LINE = re.compile(r"([^\s(,]+), line (\d+)")
_WHERE = re.compile(r", in [^,\n]+,[^,:\n]* line \d+: .*", re.DOTALL)  # told beside what was seen
# Messages about how far the grader got, which say less than the name of a bug.
_UNREAD = "the parameters cannot be read"
_MOST = 2  # lines that one thing points to


@dataclass(frozen=True)
class Place:
    """A line of the submission. words: what to call it, such as "gpt2.py, line 12"."""

    file: str
    line: int
    words: str
    code: str


@dataclass(frozen=True)
class Focus:
    """One thing to fix.

    title: a bug or a check by its name; sentence: what is wrong; observed: what the submission did,
    if that says more; topics: what there are hints for, the nearest first.
    """

    part: str
    title: str
    sentence: str
    observed: str
    places: tuple[Place, ...]
    case: Counterexample | None
    topics: tuple[str, ...]
    alike: tuple[CheckResult, ...] = ()
    diagnosis: Diagnosis | None = None
    todo: bool = False


def focuses(report: Report) -> tuple[Focus, ...]:
    """What there is to fix, in the order of the classes; what is not written yet comes last."""
    if report.untouched or report.unreadable:
        return ()
    found = sorted(_paired(report), key=lambda pair: _order(report, *pair))
    return tuple(_focus(report, *pair) for pair in found)


_Pair = tuple[Diagnosis | None, tuple[CheckResult, ...]]


def _paired(report: Report) -> Iterator[_Pair]:
    """Each named bug with the failures that show it, and the failures that have no name."""
    left = list(report.problems)
    shown: dict[Diagnosis, tuple[CheckResult, ...]] = dict.fromkeys(report.diagnoses, ())
    named = {diagnosis.cause for diagnosis in shown}

    def claim(diagnosis: Diagnosis, causes: Callable[[str], bool]) -> None:
        for alike in left:
            if alike[0].check.part == diagnosis.part and causes(alike[0].cause):
                shown[diagnosis] = alike
                left.remove(alike)
                return

    for diagnosis in shown:
        claim(diagnosis, diagnosis.cause.__eq__)
    for diagnosis in [d for d, alike in shown.items() if not alike]:
        claim(diagnosis, lambda cause: cause not in named)
    yield from shown.items()
    yield from ((None, alike) for alike in left)


def _order(
    report: Report, diagnosis: Diagnosis | None, alike: Sequence[CheckResult]
) -> tuple[bool, int, bool]:
    part = diagnosis.part if diagnosis else alike[0].check.part
    place = [r.check.part for r in report.results].index(part)
    if diagnosis is None and alike[0].check.of_file:
        place = -1  # what is not from scratch comes before all else
    return _is_todo(report, part), place, diagnosis is None


def _is_todo(report: Report, part: str) -> bool:
    return all(r.status in WAITING for r in report.results if r.check.part == part)


def _focus(report: Report, diagnosis: Diagnosis | None, alike: tuple[CheckResult, ...]) -> Focus:
    result = alike[0] if alike else None
    part = diagnosis.part if diagnosis else alike[0].check.part
    message = result.message.rstrip() if result else ""
    unparsed = result is not None and result.cause == UNPARSED
    if diagnosis:
        title, sentence = f"{part}: {diagnosis.cause}", first_sentence(diagnosis.explanation)
        observed = _observed(diagnosis, result)
    elif unparsed:
        title, sentence, observed = f"{part}: does not parse", message, ""
    else:
        title, sentence, observed = alike[0].check.id, alike[0].check.requirement, message
    causes = [diagnosis.cause] if diagnosis else []
    checks = [result.check.id] if result and not unparsed else []
    return Focus(
        part,
        title,
        sentence,
        _WHERE.sub("", observed),
        tuple(_places(report, diagnosis, result, message if unparsed else observed)),
        result.counterexample if result else None,
        (*causes, *checks),
        alike,
        diagnosis,
        _is_todo(report, part),
    )


def _observed(diagnosis: Diagnosis, result: CheckResult | None) -> str:
    """What was seen, where a name and a case do not say it all."""
    message = result.message.rstrip() if result else ""
    if message.startswith(_UNREAD):
        message = ""
    if diagnosis.certainty == "exact":
        return message if result and result.counterexample is None else ""
    seen = diagnosis.explanation.partition(_OBSERVED)[2]
    return message if message and seen.startswith(message.rstrip(".")) else seen or message


def first_sentence(text: str) -> str:
    """The sentence with which a text begins."""
    return _SENTENCE.split(text, maxsplit=1)[0]


def _places(
    report: Report, diagnosis: Diagnosis | None, result: CheckResult | None, observed: str
) -> Iterator[Place]:
    """Lines that are told, or that an error came from, or that the bug is about."""
    told = [Mark(file, int(line), "") for file, line in _LINE.findall(observed)]
    found = [place for mark in told if (place := place_of(report, mark))]
    wanted = [result.message.split("\n")[0]] if result and result.traceback else []
    wanted += [f"{diagnosis.part}: {diagnosis.cause}"] if diagnosis else []
    wanted += [result.message.split("\n")[0]] if result else []
    for why in wanted:
        if not found:
            marked = (place_of(report, mark) for mark in report.marks if mark.why == why)
            found = [place for place in marked if place]
    if diagnosis:
        # Those nearest to the bug's name first.
        words = [word[:3] for word in diagnosis.cause.split("-") if len(word) > 3]
        found.sort(key=lambda place: -sum(word in place.code.lower() for word in words))
    yield from found[:_MOST]


def place_of(report: Report, mark: Mark) -> Place | None:
    """Where a mark is, with the text of its line."""
    text = report.files.get(mark.file)
    if text is None:
        return None
    lines = _LINES.split(text.decode("utf-8", errors="replace"))
    if not 1 <= mark.line <= len(lines):
        return None
    words = mark.place or f"{mark.file}, line {mark.line}"
    return Place(mark.file, mark.line, words, clean(lines[mark.line - 1].strip()))
