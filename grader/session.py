"""A timed session: a fresh folder of stubs, its clock, and a record of every grading in it."""

from __future__ import annotations

import json
import math
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args

from grader import workspace
from grader.brief import handout
from grader.catalogue import ALL, DEBUG, GRADED, HANDOUT, chosen
from grader.errors import GraderError
from grader.files import SESSION_FILE as FILE
from grader.gpt2.twists import TwistError, named, names_of
from grader.program import program
from grader.results import Clock, Report, total
from grader.text import clean
from grader.vocabulary import Verdict

SCHEMA_VERSION = 1
_MOST_MINUTES = 1e7  # twenty years
_MAX_BYTES = 64_000_000  # a thousand gradings of the largest submission there may be

Warn = Callable[[str], None]


class SessionError(GraderError):
    """A session cannot be started or read. The message says what was expected and found."""


@dataclass(frozen=True)
class Grading:
    """What came out at one time. minutes: since the start; parts: name -> (score, max_score);
    causes: bugs by name, with the class of each; untouched: whether nothing was written yet.
    """

    minutes: float
    verdict: str
    score: float
    max_score: float
    parts: dict[str, tuple[float, float]]
    sha256: str
    only: str = ""  # the class or function that alone was judged
    causes: tuple[tuple[str, str], ...] = ()
    untouched: bool = False

    @property
    def word(self) -> str:
        """The verdict, but for a stub."""
        return "todo" if self.untouched else self.verdict


@dataclass(frozen=True)
class Taken:
    """A hint that was taken. topic: a check or a cause."""

    minutes: float
    topic: str


@dataclass
class Session:
    """A folder with a clock. started: seconds since the epoch; minutes: how long it may take;
    twists: by name, what its brief asks in place of GPT-2's own choices.
    """

    folder: Path
    exercise: str
    started: float
    minutes: float
    gradings: list[Grading] = field(default_factory=list)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)  # by hash: file -> its text
    hints: list[Taken] = field(default_factory=list)
    twists: tuple[str, ...] = ()

    def clock(self) -> Clock:
        """How late it is. A machine's clock that was put back counts as no time."""
        return Clock(self.minutes, max(0.0, _now() - self.started) / 60)

    def record(self, report: Report, warn: Warn) -> Report:
        """Add a grading to the session's file, and give the report with the time on it.

        warn: is told if it could not be recorded, which costs no report.
        """
        timed = replace(report, clock=self.clock())
        lines = [_grading_line(timed)]
        if report.sha256 not in self.texts:
            lines.insert(0, _text_line(report.sha256, report.files))
        try:
            _append(self.folder / FILE, lines)
        except OSError as error:
            warn(f"this grading could not be recorded in {self.folder / FILE} ({error.strerror})")
        self.texts.setdefault(report.sha256, {})
        self.gradings.append(_grading(lines[-1]))
        return timed

    def took_hint(self, topic: str, warn: Warn) -> None:
        """Add to the session's file that a hint was taken."""
        minutes = round(self.clock().elapsed, 2)
        try:
            _append(self.folder / FILE, [{"kind": "hint", "minutes": minutes, "topic": topic}])
        except OSError as error:
            warn(f"this hint could not be recorded in {self.folder / FILE} ({error.strerror})")


def start(
    folder: Path,
    minutes: float,
    exercise: str = "gpt2",
    files: Mapping[str, bytes] | None = None,
    twists: tuple[str, ...] = (),
) -> Session:
    """Lay out stubs and brief in a new or empty folder, and start the clock.

    files: what is laid out instead of stubs and briefs, by name; twists: by name, what the brief
    is to ask. Raises SessionError if something is in the folder, or if it cannot be written.
    """
    if files is None and twists:
        files = handout(twists)
    if files is None:
        names = [name for one in chosen(exercise) for name in (one.file, one.brief)]
        files = {name: (HANDOUT / name).read_bytes() for name in names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(entry.name for entry in folder.iterdir())
        if found:
            shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
            raise SessionError(
                f"{folder}: expected a new or empty folder, found {shown}. Nothing was changed; "
                "give the name of a folder that does not exist yet."
            )
        for name, content in {**files, **workspace.files(program(), exercise)}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            with (folder / name).open("xb") as file:
                file.write(content)
        session = Session(folder, exercise, _now(), minutes, twists=twists)
        _append(folder / FILE, [_start_line(session)], new=True)
    except OSError as error:
        raise SessionError(f"{folder}: cannot be set up ({error.strerror})") from error
    return session


def usual_minutes(exercise: str) -> float:
    """How long the brief says that it takes; for all exercises together."""
    return float(sum(one.minutes for one in chosen(exercise)))


def welcome(session: Session, called: str) -> str:
    """What to do in a session that has just begun. called: what to type for the grader."""
    exercise, *more = chosen(session.exercise)
    if exercise.name == DEBUG:
        return (
            f"{session.folder}: {session.minutes:g} minutes from now. Read {exercise.brief}, run "
            "python train.py, find the bugs.\n"
            f"Next: cd {shlex.quote(str(session.folder))} && {called} watch"
        )
    alone = exercise.base and exercise.base_needed and not more
    base = (
        f"It builds on a {exercise.base}.py: put yours there, or give the folder of another as "
        "--base.\n"
    )
    return (
        f"{session.folder}: {session.minutes:g} minutes from now. Read {exercise.brief}, fill in "
        f"{session.folder / exercise.file}{', and so on' if more else ''}.\n"
        f"{base if alone else ''}"
        f"Next: cd {shlex.quote(str(session.folder))} && {called} watch"
    )


def find(path: Path, warn: Warn = lambda message: None) -> Session | None:
    """The session of a submission: of its folder, if there is one. A damaged one is told."""
    folder = path if path.is_dir() else path.parent
    try:
        return read(folder, warn) if os.path.lexists(folder / FILE) else None
    except SessionError as error:
        warn(f"{error} It is left as it is, and this grading is not recorded.")
        return None


def read(folder: Path, warn: Warn = lambda message: None) -> Session:
    """The session in a folder. Raises SessionError if there is none that can be read.

    Lines that are damaged are left out, and told.
    """
    file = folder / FILE
    try:
        if not stat.S_ISREG(file.lstat().st_mode) or file.stat().st_size > _MAX_BYTES:
            raise SessionError(f"{file}: not a file that `grader start` made.")
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise SessionError(
            f"{folder}: expected a folder that `grader start` made, found no {FILE} in it."
        ) from None
    except OSError as error:
        raise SessionError(f"{file}: cannot be read ({error.strerror}).") from error
    session: Session | None = None
    damaged = []
    # JSON leaves some characters in texts as they are that str.splitlines takes for ends.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        try:
            entry = json.loads(line)
            session = _started(folder, entry) if session is None else _added(session, entry)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            damaged.append(str(number))
    if session is None:
        raise SessionError(f"{file}: damaged, its first line does not say when it started.")
    if damaged:
        warn(f"{file}: damaged, left out: line {', '.join(damaged[:5])}")
    return session


def _now() -> float:
    return datetime.now(timezone.utc).timestamp()


def _started(folder: Path, entry: dict[str, Any]) -> Session:
    if entry["kind"] != "start" or entry["exercise"] not in (*GRADED, ALL):
        raise ValueError("not the beginning of a session")
    at = datetime.fromisoformat(entry["at"]).timestamp()
    minutes = _number(entry["minutes"])
    if not 0 < minutes < _MOST_MINUTES:
        raise ValueError("no time that a session has")
    told = [str(name) for name in entry.get("twists", ())]
    try:
        twists = names_of(named(told))
    except TwistError as error:
        raise ValueError(str(error)) from None
    return Session(folder, entry["exercise"], at, minutes, twists=twists)


def _added(session: Session, entry: dict[str, Any]) -> Session:
    if entry["kind"] == "text":
        texts = {clean(str(name)): str(text) for name, text in entry["files"].items()}
        session.texts[str(entry["sha256"])] = texts
    elif entry["kind"] == "hint":
        session.hints.append(Taken(_number(entry["minutes"]), clean(str(entry["topic"]))))
    elif entry["kind"] == "grading":
        session.gradings.append(_grading(entry))
    else:
        raise ValueError("no such kind")
    return session


def _grading(entry: dict[str, Any]) -> Grading:
    """A grading as its line tells it. Raises an error for what no grading comes to."""
    if entry["verdict"] not in get_args(Verdict) or _number(entry["minutes"]) > _MOST_MINUTES:
        raise ValueError("no verdict, or no time")
    scores = [float(score) for score, _ in entry["parts"].values()]
    if not math.isclose(sum(scores), float(entry["score"]), abs_tol=0.01):
        raise ValueError("points that are not those of the parts")
    return Grading(
        _number(entry["minutes"]),
        entry["verdict"],
        *_points(entry["score"], entry["max_score"]),
        {clean(name): _points(score, top) for name, (score, top) in entry["parts"].items()},
        clean(str(entry["sha256"])),
        clean(str(entry.get("only", ""))),
        tuple((clean(str(part)), clean(str(cause))) for part, cause in entry.get("causes", ())),
        bool(entry.get("untouched", False)),
    )


def _number(value: Any) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError("not a number of minutes or points")
    return number


def _points(score: Any, top: Any) -> tuple[float, float]:
    if _number(score) > _number(top):
        raise ValueError("more points than there are")
    return float(score), float(top)


def _start_line(session: Session) -> dict[str, Any]:
    at = datetime.fromtimestamp(session.started, timezone.utc).isoformat(timespec="seconds")
    return {
        "kind": "start",
        "schema_version": SCHEMA_VERSION,
        "exercise": session.exercise,
        "minutes": session.minutes,
        "at": at,
        **({"twists": session.twists} if session.twists else {}),
    }


def _text_line(sha256: str, files: dict[str, bytes]) -> dict[str, Any]:
    texts = {name: text.decode("utf-8", errors="replace") for name, text in files.items()}
    return {"kind": "text", "sha256": sha256, "files": texts}


def _grading_line(report: Report) -> dict[str, Any]:
    assert report.clock is not None
    return {
        "kind": "grading",
        "minutes": round(report.clock.elapsed, 2),
        "late": report.clock.late,
        "verdict": report.verdict,
        "score": report.score,
        "max_score": report.max_score,
        "parts": parts_of(report),
        "seed": report.seed,
        "sha256": report.sha256,
        "causes": [[diagnosis.part, diagnosis.cause] for diagnosis in report.diagnoses],
        **({"untouched": True} if report.untouched else {}),
        **({"only": report.only} if report.only else {}),
    }


def parts_of(report: Report) -> dict[str, tuple[float, float]]:
    """Points by part: name -> (score, max_score)."""
    return {
        name: (total(results), sum(r.check.points for r in results))
        for name, results in report.parts().items()
    }


def _append(file: Path, entries: list[dict[str, Any]], new: bool = False) -> None:
    """Add lines in one write, so that two gradings at a time do not mix. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(file, flags | (os.O_CREAT | os.O_EXCL if new else 0), 0o644)
    try:
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        os.write(handle, text.encode("utf-8", errors="replace"))
    finally:
        os.close(handle)


def lines(session: Session) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Each part's share of its points over time, and that of all: (name, [(minutes, share)])."""
    names = dict.fromkeys(name for grading in session.gradings for name in grading.parts)
    for name in names:
        yield (
            name,
            [(g.minutes, _share(*g.parts[name])) for g in session.gradings if name in g.parts],
        )
    whole = [g for g in session.gradings if not g.only]
    if whole or not names:
        yield "all together", [(g.minutes, _share(g.score, g.max_score)) for g in whole]


def _share(score: float, top: float) -> float:
    return score / top if top else 0.0
