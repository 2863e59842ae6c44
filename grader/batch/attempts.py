"""Which of somebody's hand-ins counts, who handed in nothing, and whose is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from grader.batch.entries import Entry
from grader.batch.roster import Roster
from grader.report.table import People, Row
from grader.text import clean

Take = Literal["best", "last"]


def assigned(entries: Sequence[Entry], rows: Mapping[str, Row], take: Take) -> list[Row]:
    """The rows of what is graded so far, each with its people and its number of their attempts."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.name in rows:
            keys = sorted(person.key for person in entry.people)
            groups.setdefault("\0".join(keys) or f"\0{entry.name}", []).append(entry)
    found = {}
    for group in groups.values():
        attempts = sorted(group, key=lambda entry: (entry.order, entry.name))
        counts = _that_counts([rows[entry.name] for entry in attempts], take)
        for number, entry in enumerate(attempts, 1):
            found[entry.name] = replace(
                rows[entry.name],
                people=entry.people,
                late=entry.late,
                attempt=(number, len(attempts)),
                counted=number - 1 == counts,
            )
    return [found[entry.name] for entry in entries if entry.name in found]


def _that_counts(rows: Sequence[Row], take: Take) -> int:
    """Which of somebody's attempts counts: of those that were graded, if there are any."""
    places = range(len(rows))
    graded = [n for n in places if rows[n].graded] or list(places)
    return max(graded, key=lambda n: (rows[n].score, n)) if take == "best" else graded[-1]


def people(entries: Sequence[Entry], roster: Roster | None) -> People:
    """Who handed in, who did not, and which hand-ins are nobody's that is known."""
    here = {replace(person, record="") for entry in entries for person in entry.people}
    if roster is None:
        nobodys = [clean(entry.name) for entry in entries if not entry.people]
        return People(unknown=tuple(nobodys) if here else ())
    listed = {replace(person, record=""): person for person in roster.people}
    strange = [
        clean(entry.name)
        for entry in entries
        if not any(replace(person, record="") in listed for person in entry.people)
    ]
    missing = tuple(person for bare, person in listed.items() if bare not in here)
    return People(roster.people, missing, tuple(strange))
