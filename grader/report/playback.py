"""The code of a session, save by save, with the lines that each save brought."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from grader.session import Grading, Session
from grader.text import clean

_LINES = re.compile(r"\r\n|\r|\n")  # as Python counts lines
_MOST = 200  # saves on a page; the newest


@dataclass(frozen=True)
class Save:
    """One save. files: name -> lines, each with whether this save brought it."""

    grading: Grading
    files: dict[str, list[tuple[int, str, bool]]]
    gone: int  # lines that it took away


def saves(session: Session) -> list[Save]:
    """Each grading of another text than that before, in order."""
    return list(_saves(session))[-_MOST:]


def _saves(session: Session) -> Iterator[Save]:
    before: dict[str, list[str]] = {}
    last = ""
    for grading in session.gradings:
        texts = session.texts.get(grading.sha256)
        if not texts or grading.sha256 == last:
            continue
        now = {name: _LINES.split(text.rstrip()) for name, text in texts.items()}
        files, gone = {}, 0
        for name, lines in now.items():
            new, less = _changed(before.get(name, lines), lines)
            gone += less
            files[name] = [(n, clean(line), n in new) for n, line in enumerate(lines, 1)]
        yield Save(grading, files, gone)
        before, last = now, grading.sha256


def _changed(old: list[str], new: list[str]) -> tuple[set[int], int]:
    """Numbers of the lines that are new, and how many of the old are gone."""
    brought: set[int] = set()
    gone = 0
    # Lines that occur often are no reason to give up: these are programs.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i, j, k, end in matcher.get_opcodes():
        if kind != "equal":
            brought |= set(range(k + 1, end + 1))
            gone += j - i
    return brought, gone
