"""The path through the exercises: what is done, what comes next; and a stub put back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grader import session as sessions
from grader.brief import handout
from grader.catalogue import EXERCISES, HANDOUT, Exercise
from grader.errors import GraderError
from grader.files import SESSION_FILE
from grader.session import Session

_MOST = 1000  # folders that are looked into


class PathError(GraderError):
    """The next exercise cannot be laid out, or no stub put back. The message says why."""


@dataclass(frozen=True)
class Step:
    """An exercise of the path. sessions: those of it, the best one first."""

    exercise: Exercise
    sessions: tuple[Session, ...]

    @property
    def done(self) -> bool:
        """Whether it passed."""
        return any(_passed(session) for session in self.sessions)

    @property
    def words(self) -> str:
        """How it stands."""
        if not self.sessions:
            return f"{self.exercise.minutes} minutes"
        best = max((g.score for g in self.sessions[0].gradings if not g.only), default=0.0)
        return f"{'done' if self.done else 'begun'} in {self.sessions[0].folder}, {best:g} points"


def home_of(folder: Path) -> Path:
    """Where the sessions lie: above a folder that is one."""
    return folder.absolute().parent if (folder / SESSION_FILE).exists() else folder


def steps(folder: Path) -> list[Step]:
    """The path, with the sessions in a folder. Raises PathError if it cannot be read."""
    try:
        places = sorted(place for place in folder.iterdir() if (place / SESSION_FILE).is_file())
    except OSError as error:
        raise PathError(f"{folder}: cannot be read ({error.strerror})") from error
    found = [session for place in places[:_MOST] if (session := sessions.find(place))]
    plain = [session for session in found if not session.twists]  # which the others build on
    return [
        Step(
            exercise,
            tuple(
                sorted((s for s in plain if s.exercise == exercise.name), key=_points, reverse=True)
            ),
        )
        for exercise in EXERCISES.values()
    ]


def _passed(session: Session) -> bool:
    return any(g.verdict == "pass" and not g.only for g in session.gradings)


def _points(session: Session) -> tuple[bool, float]:
    best = max((g.score for g in session.gradings if not g.only), default=0.0)
    return _passed(session), best


def lay_out(step: Step, folder: Path, path: list[Step]) -> Session:
    """Begin an exercise in a folder of its name, on the best of one's own that it builds on.

    Raises PathError, and SessionError if there is such a folder already.
    """
    exercise = step.exercise
    made = sessions.start(folder / exercise.name, exercise.minutes, exercise.name)
    base = next((s for s in path if s.exercise.name == exercise.base and s.sessions), None)
    if base is not None:
        file = base.sessions[0].folder / base.exercise.file
        if file.is_file():
            shutil.copyfile(file, made.folder / file.name)
    return made


def stub_of(file: Path) -> bytes:
    """The stub of a file, as the session asks that it lies in."""
    found = sessions.find(file)
    if found and found.twists and file.name in (made := handout(found.twists)):
        return made[file.name]
    return (HANDOUT / file.name).read_bytes()


def reset(file: Path) -> Path:
    """Put a stub back, beside a dated copy of what was there. The copy. Raises PathError."""
    known = {exercise.file: exercise for exercise in EXERCISES.values()}
    if file.name not in known:
        raise PathError(f"{file}: expected a file of {', '.join(known)}")
    if not file.is_file():
        raise PathError(f"{file}: no such file. `grader start` lays out stubs.")
    copy = file.with_name(f"{file.name}.{datetime.now():%Y-%m-%d-%H%M%S}.bak")
    try:
        with copy.open("xb") as kept:
            kept.write(file.read_bytes())
        file.write_bytes(stub_of(file))
    except OSError as error:
        raise PathError(f"{file}: could not be put back ({error.strerror})") from error
    return copy


@dataclass(frozen=True)
class Met:
    """A bug that was met, in minutes. fixed: None if it still stood at the end."""

    part: str
    cause: str
    first: float
    fixed: float | None
    hints: int

    @property
    def words(self) -> str:
        """How long it took."""
        hints = f", {self.hints} hint{'s' if self.hints != 1 else ''}" if self.hints else ""
        if self.fixed is None:
            return f"since {self.first:.1f} min, not fixed yet{hints}"
        return f"at {self.first:.1f} min, fixed after {self.fixed - self.first:.1f}{hints}"


def met(session: Session) -> list[Met]:
    """The bugs of a session in the order in which they were met, each once."""
    found: dict[tuple[str, str], Met] = {}
    for grading in session.gradings:
        here = set(grading.causes)
        judged = set(grading.parts)
        for part, cause in grading.causes:
            known = found.get((part, cause))
            first = known.first if known else grading.minutes
            taken = sum(hint.topic == cause for hint in session.hints)
            found[part, cause] = Met(part, cause, first, None, taken)
        for key, known in found.items():
            if key not in here and known.fixed is None and known.part in judged:
                found[key] = Met(*key, known.first, grading.minutes, known.hints)
    return [one for one in found.values() if one.cause != "not-implemented"]
