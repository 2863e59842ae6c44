"""Hints for checks and causes, a step at a time, and the memory of how far each one went."""

from __future__ import annotations

import difflib
import errno
import json
import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.bugs import CAUSES
from grader.catalogue import DEBUG, EXERCISES, GRADED, Exercise
from grader.errors import GraderError
from grader.files import write_whole
from grader.submission import read

if TYPE_CHECKING:
    from grader.exercises.debug.sheet import Sheet

_FOLDER = "gpt2-interview-kit"
_BUG = "bug"  # what is typed for the bugs that are planted in a folder

Memory = dict[str, dict[str, int]]  # file of a submission -> check or cause -> hints shown
Warn = Callable[[str], None]


class UnknownTopic(GraderError):
    """There is no such check or cause. The message says what there is."""


@dataclass(frozen=True)
class Topic:
    """What there are hints for: a check or a cause, and the exercise it is about."""

    id: str
    hints: tuple[str, ...]
    exercise: Exercise


@dataclass(frozen=True)
class Hint:
    """The hint to show. number: from 1; repeated: it was the last one already."""

    topic: Topic
    number: int
    repeated: bool


def next_hint(
    id: str,
    path: Path,
    restart: bool,
    warn: Warn,
    sheet: Sheet | None = None,
    twists: tuple[str, ...] = (),
) -> Hint:
    """Take the next step for the submission at PATH. Raises UnknownTopic, UnusableInput, NoSheet.

    sheet: of what is planted in a folder to debug, if it is not one of one's own; twists: with
    which a GPT-2 is asked for.

    warn: is told what is wrong with the memory, which is no reason to withhold a hint.
    """
    topic, file = _about(id, path, warn, sheet, twists)
    memory = _recall(warn)
    shown = 0 if restart else memory.get(file, {}).get(topic.id, 0)
    hint = Hint(topic, min(shown + 1, len(topic.hints)), shown >= len(topic.hints))
    memory.setdefault(file, {})[topic.id] = hint.number
    _remember(memory, warn)
    return hint


def next_of(
    ids: Sequence[str],
    path: Path,
    warn: Warn,
    sheet: Sheet | None = None,
    twists: tuple[str, ...] = (),
) -> Hint:
    """The next step of the first of these topics that has one left; else the last one again.

    Raises as `next_hint` does.
    """
    left = ids[-1]
    memory = _recall(lambda message: None)
    for id in ids:
        topic, file = _about(id, path, lambda message: None, sheet, twists)
        if memory.get(file, {}).get(topic.id, 0) < len(topic.hints):
            left = id
            break
    return next_hint(left, path, False, warn, sheet, twists)


def _about(
    id: str, path: Path, warn: Warn, sheet: Sheet | None, twists: tuple[str, ...]
) -> tuple[Topic, str]:
    """A topic, and what the hints for a submission are remembered under."""
    if id.startswith(_BUG) or id in GRADED[DEBUG].checks():
        topic = _planted(id, path, sheet, warn)
        submission = topic.exercise.read(path)
    else:
        topic = _find(id, twists)
        others = {exercise.file for exercise in EXERCISES.values()} - {topic.exercise.file}
        submission = read(path, topic.exercise.file, others, names=topic.exercise.names)
    return topic, str(Path(submission.folder, submission.main).resolve())


def _planted(id: str, path: Path, sheet: Sheet | None, warn: Warn) -> Topic:
    """A bug in a folder to debug, by its number or the next. Raises UnknownTopic, NoSheet."""
    from grader.exercises.debug import practice

    found = practice.sheet_of(path, sheet, warn)
    number, one = practice.next_bug(found, GRADED[DEBUG].read(path).files)
    if asked := id.removeprefix(_BUG).removeprefix("-") if id.startswith(_BUG) else "":
        count = len(found.plants)
        if not (asked.isdecimal() and 1 <= int(asked) <= count):
            raise UnknownTopic(f"expected {_BUG}, or {_BUG}-1 to {_BUG}-{count}, found {id}")
        number, one = int(asked), found.plants[int(asked) - 1]
    return Topic(f"{_BUG}-{number}", one.plant.hints, GRADED[DEBUG])


def render(hint: Hint, command: str) -> str:
    """The hint as text, with how to go on. command: what shows the next one."""
    topic, total = hint.topic, len(hint.topic.hints)
    if hint.number < total:
        following = f"Next: `{command}` shows hint {hint.number + 1}."
    else:
        end = "There is no further hint" if hint.repeated else "This was the last hint"
        following = f"{end}; `{command} --restart` begins with the first."
    text = textwrap.indent(topic.hints[hint.number - 1], "  ")
    return f"{topic.id}  hint {hint.number} of {total}\n\n{text}\n\n{following}"


def topics(twists: tuple[str, ...] = ()) -> dict[str, Topic]:
    """All that there are hints for, by name. twists: with which a GPT-2 is asked for."""
    asked = [e.twisted(twists) if e.takes_twists else e for e in EXERCISES.values()]
    checks = [(check, e) for e in asked for check in e.checks().values()]
    found = {check.id: Topic(check.id, check.hints, exercise) for check, exercise in checks}
    for cause in CAUSES.values():
        # Of an exercise, or of the first one; an id that begins with a dot is of any class.
        first = found.get(cause.checks[0])
        about = first.exercise if first else EXERCISES["gpt2"]
        found[cause.slug] = Topic(cause.slug, cause.hints, about)
    return found


def _find(id: str, twists: tuple[str, ...]) -> Topic:
    known = topics(twists)
    if id in known:
        return known[id]
    # Half of the letters in common is enough: "causal" finds "attention.causal".
    close = difflib.get_close_matches(id.lower(), known, cutoff=0.5)
    closest = f"the closest: {', '.join(close)}. " if close else ""
    raise UnknownTopic(
        f"there is no check or cause {id!r}; {closest}`grader list` shows every check."
    )


def state_file(name: str = "hints.json") -> Path:
    """Where what is remembered between commands is kept. Raises FileNotFoundError if
    there is no place for it.
    """
    if own := os.environ.get("GRADER_STATE"):
        return Path(own, name)
    shared = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not shared.is_absolute():  # the XDG specification says to ignore such a one
        try:
            shared = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise FileNotFoundError(errno.ENOENT, "there is no home folder") from error
    return shared / _FOLDER / name


def _recall(warn: Warn) -> Memory:
    try:
        text = state_file().read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        warn(f"{state_file()}: cannot be read ({error.strerror}). The hints start anew.")
        return {}
    try:
        return _checked(json.loads(text))
    except (ValueError, RecursionError):
        warn(f"{state_file()}: damaged. All hints start anew.")
        return {}


def _checked(memory: object) -> Memory:
    """The memory, if it has the right form. Raises ValueError."""
    if not isinstance(memory, dict):
        raise ValueError("not an object")
    for shown in memory.values():
        if not isinstance(shown, dict) or any(
            type(number) is not int or number < 0 for number in shown.values()
        ):
            raise ValueError("not a count of hints for each check")
    return memory


def _remember(memory: Memory, warn: Warn) -> None:
    try:
        write_whole(state_file(), json.dumps(memory, indent=2) + "\n")
    except OSError as error:
        warn(
            f"this hint could not be remembered ({error.strerror}). "
            "Set GRADER_STATE to a folder that can be written."
        )
