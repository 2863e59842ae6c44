"""What somebody who practises alone has been set, and which kinds of bug were found in what time.

It is kept where the hints' memory is, away from the folder that is debugged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.errors import GraderError
from grader.exercises.debug.plants import plants, restored, standing
from grader.exercises.debug.sheet import Planted, Sheet, dumps, loads
from grader.files import write_whole
from grader.hints import Warn, state_file
from grader.results import Report

_FILE = "debug.json"
_KEPT = 100  # sessions


class NoSheet(GraderError):
    """Nothing is known of what is planted in a folder. The message says what to do."""


@dataclass(frozen=True)
class Round:
    """A folder that was set. found: minutes after which each plant was found, by slug."""

    folder: str
    sheet: str
    started: float
    minutes: float
    found: dict[str, float] = field(default_factory=dict)

    def missed(self, now: float) -> list[str]:
        """The plants that were not found in time."""
        if now < self.started + 60 * self.minutes:
            return []
        return [one.plant.slug for one in self.what().plants if one.plant.slug not in self.found]

    def what(self) -> Sheet:
        """What is planted in it."""
        return loads(self.sheet)


def begin(folder: Path, sheet: Sheet, started: float, minutes: float, warn: Warn) -> None:
    """Remember what was planted in a folder of one's own."""
    name = str(folder.resolve())
    rounds = [r for r in _recall(warn) if r.folder != name]
    _remember([*rounds, Round(name, dumps(sheet), started, minutes)], warn)


def sheet_of(path: Path, given: Sheet | None, warn: Warn) -> Sheet:
    """What is planted at a path: by the sheet that is given, or as was remembered.

    Raises NoSheet.
    """
    if given is not None:
        return given
    if (one := _of(_recall(warn), path)) is not None:
        return one.what()
    raise NoSheet(
        f"{path}: hints about planted bugs need the interviewer's sheet. Give it as --sheet FILE."
    )


def next_bug(sheet: Sheet, files: dict[str, bytes]) -> tuple[int, Planted]:
    """The first bug that stands as it was planted, or else whose lines are not as they should be;
    its number, from 1.
    """
    texts = {name: text.decode("utf-8", errors="replace") for name, text in files.items()}
    numbered = list(enumerate(sheet.plants, 1))
    for number, one in numbered:
        if standing(texts.get(one.plant.file, ""), one.hunks):
            return number, one
    for number, one in numbered:
        if not restored(texts.get(one.plant.file, ""), one.hunks):
            return number, one
    return numbered[-1]


def note(path: Path, report: Report, warn: Warn) -> None:
    """Remember which plants a grading in a folder of one's own shows to be found."""
    rounds = _recall(warn)
    one = _of(rounds, path)
    if one is None or report.clock is None:
        return
    found = dict(one.found)
    for planted in one.what().plants:
        if planted.plant.slug not in found and _is_found(planted, report):
            found[planted.plant.slug] = round(report.clock.elapsed, 1)
    if found != one.found:
        _remember([replace(r, found=found) if r is one else r for r in rounds], warn)


def _is_found(one: Planted, report: Report) -> bool:
    text = report.files.get(one.plant.file, b"").decode("utf-8", errors="replace")
    if restored(text, one.hunks) or report.verdict == "pass":
        return True
    own = [r for r in report.results if r.id.startswith(f"{one.plant.exercise}.")]
    right = bool(own) and all(result.status == "pass" for result in own)
    return right and not standing(text, one.hunks)


def missed_topics(warn: Warn) -> frozenset[str]:
    """Kinds of bug that were missed the last time that they came up."""
    last = {topic: minutes is None for topic, minutes in _history(warn)}
    return frozenset(topic for topic, missed in last.items() if missed)


def summary(warn: Warn) -> list[tuple[str, int, int, float | None]]:
    """Each kind of bug that came up: how often found, how often not, the mean minutes."""
    by_topic: dict[str, list[float | None]] = {}
    for topic, minutes in _history(warn):
        by_topic.setdefault(topic, []).append(minutes)
    rows = []
    for topic, times in sorted(by_topic.items()):
        found = [minutes for minutes in times if minutes is not None]
        mean = sum(found) / len(found) if found else None
        rows.append((topic, len(found), len(times) - len(found), mean))
    return rows


def _history(warn: Warn) -> Iterator[tuple[str, float | None]]:
    """Kinds of bug as they came up, with the minutes until they were found, None for missed."""
    now = time.time()
    for one in _recall(warn):
        for slug, minutes in one.found.items():
            yield plants()[slug].topic, minutes
        for slug in one.missed(now):
            yield plants()[slug].topic, None


def _of(rounds: list[Round], path: Path) -> Round | None:
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    return next((r for r in rounds if r.folder == str(folder)), None)


def _recall(warn: Warn) -> list[Round]:
    try:
        text = state_file(_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        warn(f"{_FILE}: cannot be read ({error}). What was practised is not known.")
        return []
    try:
        return [_round(entry) for entry in json.loads(text)["rounds"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        warn(f"{state_file(_FILE)}: damaged. What was practised is not known.")
        return []


def _round(entry: dict[str, Any]) -> Round:
    loads(entry["sheet"])
    found = {str(slug): float(minutes) for slug, minutes in entry["found"].items()}
    if unknown := set(found) - set(plants()):
        raise ValueError(f"no such plants: {unknown}")
    times = float(entry["started"]), float(entry["minutes"])
    return Round(str(entry["folder"]), str(entry["sheet"]), *times, found)


def _remember(rounds: list[Round], warn: Warn) -> None:
    text = json.dumps({"rounds": [vars(one) for one in rounds[-_KEPT:]]})
    try:
        write_whole(state_file(_FILE), text + "\n")
    except OSError as error:
        warn(f"this could not be remembered ({error.strerror}). Set GRADER_STATE to a folder.")
