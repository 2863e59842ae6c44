"""What lies in a folder of submissions: hand-ins, from whom they are, and what is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path

from grader.batch import gradescope
from grader.batch.roster import Roster
from grader.catalogue import GRADED
from grader.grading import Options
from grader.person import Label, Person, label
from grader.submission import Submission, UnusableInput, unusable
from grader.submission.archive import is_packed
from grader.submission.files import NOTEBOOKS

# Files of systems, platforms and interviewers, which nobody hands in.
_OF_NOBODY = re.compile(
    r"thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r|submission_metadata\.yml|readme(\.\w+)?|__macosx"
    r"|.*:zone\.identifier|__pycache__|~\$.*|.*\.(csv|tsv|xlsx?|ods|ini|lnk|log|toml|ya?ml|json)",
    re.I,
)
_CLONES = "-submissions"  # how `gh classroom clone student-repos` calls the folder


@dataclass(frozen=True)
class Entry:
    """One hand-in: one submission, one row.

    name: what it is called in the table, and its reports are named for; pieces: what it consists
    of, by the names that its author knows, where that is not what lies at the path; people: from
    whom it is, as far as known; order: what comes later has a larger one.
    """

    path: Path
    name: str
    pieces: Mapping[str, Path] = field(default_factory=dict)
    people: tuple[Person, ...] = ()
    late: bool = False
    order: tuple[float, ...] = ()

    def read(self, options: Options) -> Submission:
        """The submission; one that cannot be read says so in place of all checks."""
        file = GRADED[options.exercise].file
        try:
            for path in (self.path, *self.pieces.values()):
                if path.is_symlink():  # to something of the interviewer's own, perhaps
                    raise UnusableInput(f"{path}: a symbolic link. Put the file itself there.")
            return options.read(self.path, options.exercise, False, self.pieces)
        except UnusableInput as error:
            return unusable(self.path, file, error)
        except Exception as error:  # whatever it is, it costs this one its row and no other
            words = f"{self.path}: cannot be read ({type(error).__name__}: {error})"
            return unusable(self.path, file, UnusableInput(words))


@dataclass(frozen=True)
class Arrived:
    """What a folder has. passed_over: names of what is no hand-in."""

    entries: tuple[Entry, ...]
    passed_over: tuple[str, ...]


def entries(folder: Path, out: Path, roster: Roster | None = None) -> Arrived:
    """Everything in the folder by name, but for hidden files and the results.

    Raises UnusableInput.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        what += ", but an archive: unpack it" if is_packed(folder.name) and folder.exists() else ""
        raise UnusableInput(f"{folder}: {what}. Give the folder that holds the submissions.")
    try:
        folder = _unwrapped(folder)
        paths = _listed(folder, out)
        told = gradescope.submitters(folder)
        handed_in = [path for path in paths if not _is_nobodys(path)]
        known = [_known(path, folder, handed_in, told, roster) for path in handed_in]
        found = _joined(folder, list(zip(handed_in, known, strict=True)))
    except OSError as error:
        raise UnusableInput(f"{folder}: cannot be read ({error.strerror})") from error
    if not found:
        raise UnusableInput(f"{folder}: it is empty. Give the folder that holds the submissions.")
    passed_over = tuple(path.name for path in paths if path not in handed_in)
    return Arrived(tuple(found), passed_over)


def _listed(folder: Path, out: Path) -> list[Path]:
    results = out.resolve()
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and (path.is_symlink() or path.resolve() != results)
    ]


def _unwrapped(folder: Path) -> Path:
    """The folder in it, where that is all there is and a platform put it around the hand-ins."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    inside = [path for path in inside if not _is_nobodys(path)]
    if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
        return folder
    (only,) = inside
    names = [path.name for path in only.iterdir()]
    wraps = (
        gradescope.METADATA in names
        or only.name.endswith(_CLONES)
        or any(label(name).people for name in names)
    )
    return only if wraps and not label(only.name).people else folder


def _is_nobodys(path: Path) -> bool:
    """Whether nobody hands this in: a file of a system, or a folder without files."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return _OF_NOBODY.fullmatch(path.name) is not None or not _has_files(path)
    named = label(path.name).people or path.name.lower().endswith(NOTEBOOKS)
    return not named and _OF_NOBODY.fullmatch(path.name) is not None


def _has_files(folder: Path) -> bool:
    """Whether there is any file in it but those of systems."""
    return any(
        not name.startswith(".") and not _OF_SYSTEM.fullmatch(name)
        for _, _, names in os.walk(folder)
        for name in names
    )


_OF_SYSTEM = re.compile(r"thumbs\.db|desktop\.ini|icon\r", re.I)


def _known(
    path: Path,
    folder: Path,
    all_paths: Sequence[Path],
    told: Mapping[str, Label],
    roster: Roster | None,
) -> Label:
    """What is known of a hand-in by its name, by what is told beside it, and by the roster."""
    found = told.get(path.name) or label(path.name)
    if found.people:
        people = [(roster and roster.known(person)) or person for person in found.people]
        return replace(found, people=tuple(people))
    if _is_repository(path):
        login = _login(path.name, folder, all_paths)
        own = Person(login=login) if login else None
        one = roster and (roster.login_in(path.name) or (own and roster.known(own)))
        return replace(found, people=tuple(filter(None, (one or own,))))
    return replace(found, people=roster.named(path.name) if roster else ())


def _is_repository(path: Path) -> bool:
    return path.is_dir() and ((path / ".git").exists() or (path / ".github").is_dir())


def _login(name: str, folder: Path, all_paths: Iterable[Path]) -> str:
    """What stands behind the assignment's name in that of a repository."""
    names = [path.name for path in all_paths if _is_repository(path)]
    start = f"{folder.name.removesuffix(_CLONES)}-" if folder.name.endswith(_CLONES) else ""
    if not start and len(names) > 1:
        start = next(
            (
                start
                for start in _starts(names[0])
                if all(map(str.startswith, names, repeat(start)))
            ),
            "",
        )
    return name.removeprefix(start) if start and name.startswith(start) else ""


def _starts(name: str) -> list[str]:
    """What is before each "-" of a name, with it, the longest first."""
    return [name[: place + 1] for place, letter in enumerate(name) if letter == "-"][::-1]


def _joined(folder: Path, known: Sequence[tuple[Path, Label]]) -> list[Entry]:
    """The hand-ins, where a platform spreads the files of one over the folder."""
    groups: dict[str, list[tuple[Path, Label]]] = {}
    for path, said in known:
        spread = label(path.name).group  # of Moodle or Canvas: one hand-in for each person
        groups.setdefault(spread or f"\0{path.name}", []).append((path, said))
    return [_entry(folder, group) for group in groups.values()]


def _entry(folder: Path, group: Sequence[tuple[Path, Label]]) -> Entry:
    path, said = group[0]
    pieces: dict[str, Path] = {}
    if len(group) > 1 or (said.file and said.file != path.name):
        for piece, own in group:
            name = own.file or piece.name
            pieces[name if name not in pieces else f"{len(pieces)}/{name}"] = piece
    name = path.name
    if len(group) > 1:
        (person,) = label(path.name).people
        name = f"{person.name or 'participant'}_{person.record}"
        path = folder / name
    order = (max(own.order for _, own in group), max(_written(p) for p, _ in group))
    late = any(own.late for _, own in group)
    return Entry(path, name, pieces, said.people, late, order)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
