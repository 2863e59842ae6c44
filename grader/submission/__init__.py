"""Reads what was handed in: bytes, syntax, names, import policy. Never imports it."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from grader.submission.archive import stem
from grader.submission.classes import Classes, Names
from grader.submission.facts import facts
from grader.submission.files import (
    MAX_FILE_BYTES,
    Alone,
    MissingFile,
    SeveralFiles,
    Tree,
    UnusableInput,
)
from grader.submission.gathered import Found, gather
from grader.submission.intake import find, stem_of, tree_of
from grader.submission.policy import FORBIDDEN_NAMES, Violation
from grader.submission.syntax import SyntaxProblem
from grader.submission.taken import Taken, no_answer, taken
from grader.submission.text import parsed

__all__ = [
    "FORBIDDEN_NAMES",
    "MAX_FILE_BYTES",
    "MissingFile",
    "Names",
    "SeveralFiles",
    "Submission",
    "SyntaxProblem",
    "Taken",
    "UnusableInput",
    "Violation",
    "read",
    "read_together",
    "stem_of",
    "unusable",
]


_NOTHING: Mapping[str, str] = MappingProxyType({})
PLACE = "submission"  # the folder in which all are run, as far as they can tell


@dataclass(frozen=True)
class Submission:
    """What was handed in.

    sha256: of the texts, under whatever name the main file comes;
    files: relative path -> bytes; main: the one that holds the exercise; package: the name to
    load everything under when files import one another relatively; error: why it cannot be run,
    ready to show, with the main file under the exercise's name; unread: whether that is because
    nothing could be made out to grade; unwritten: classes whose forward is empty; taken: what is
    taken for classes of the brief under other names or with other arguments; classes: all that
    are there; cells: of a notebook, the lines with which they begin; notes: what was done to the
    text, or where it was found; problems: what does not parse of the files that count; lost: the
    classes and functions in that; patched: the texts of such files without it; stubs: classes and
    functions that do nothing but raise; needed: lines on which the statements begin that the
    classes need, by file.
    """

    path: str
    folder: str
    main: str
    files: dict[str, bytes]
    sha256: str
    package: str | None = None
    error: str | None = None
    violations: tuple[Violation, ...] = field(default=())
    unwritten: frozenset[str] = frozenset()
    unread: bool = False
    taken: tuple[Taken, ...] = ()
    classes: tuple[str, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    stubs: frozenset[str] = frozenset()
    problems: tuple[SyntaxProblem, ...] = ()
    lost: Mapping[str, SyntaxProblem] = field(default_factory=dict)
    patched: Mapping[str, bytes] = field(default_factory=dict)
    needed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def place(self, line: int) -> str:
        """What to call a line of the main file: of a notebook by its cell."""
        starts = [start for start, _ in self.cells]
        if not starts:
            return f"line {line}"
        start, number = self.cells[max(bisect_right(starts, line) - 1, 0)]
        return f"code cell {number}, line {max(line - start, 1)}"

    def anonymized(self, main: str) -> Submission:
        """The same with its main file called `main` and no place: so it is judged, whoever's it
        is, and what has the same text is judged the same.
        """
        own = {self.main: _as_judged(self.main, main, self.files)}

        def moved(problem: SyntaxProblem) -> SyntaxProblem:
            return replace(problem, file=own.get(problem.file, problem.file))

        return replace(
            self,
            folder=PLACE,
            main=own[self.main],
            files={own.get(name, name): text for name, text in self.files.items()},
            violations=tuple(replace(v, file=own.get(v.file, v.file)) for v in self.violations),
            taken=tuple(item.renamed(own) for item in self.taken),
            problems=tuple(map(moved, self.problems)),
            lost={name: moved(problem) for name, problem in self.lost.items()},
            patched={own.get(name, name): text for name, text in self.patched.items()},
            needed={own.get(name, name): lines for name, lines in self.needed.items()},
        )


def read(
    path: Path,
    main: str,
    others: Collection[str] = (),
    base: str | None = None,
    base_folder: Path | None = None,
    base_needed: bool = True,
    imports: Collection[str] = (),
    names: Sequence[str] = (),
    given: Mapping[str, str] = _NOTHING,
    beside: bool = True,
    base_names: Sequence[str] = (),
    pieces: Mapping[str, Path] | None = None,
) -> Submission:
    """Read what was handed in at a path for the file `main`: a file, a notebook, a folder, an
    archive of these.

    others: files of other exercises, which are left out unless they are imported; base: the one
    of them that this one builds on, from beside it or from the base_folder; base_needed: whether
    it is an error if there is none beside it; imports: modules that the policy allows besides
    torch and Python's own; names: what the candidate writes, by which a file of another name is
    found; base_names: the same of the exercise that it builds on; given: such a name -> what plays
    its part here; beside: whether a single file may import what lies beside it; pieces: the
    files and folders that were handed in together, by the names that their author knows, in place
    of what lies there.

    Raises UnusableInput: of it SeveralFiles where more than one may be meant, MissingFile where
    none is.
    """
    wanted = Names(main, tuple(names), given)
    try:
        tree = tree_of(path, beside, pieces)
        found = find(path, tree, wanted, others)
        files = found.files
        if base is not None:
            files = _with_base(path, tree, found, base, base_folder, base_needed)
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read ({error.strerror})") from error
    root = _root(path, tree) / found.folder
    return _submission(path, root, found, files, wanted, imports, base, base_names)


def read_together(
    path: Path,
    main: str,
    others: Sequence[str],
    names: Sequence[str],
    beside: bool = True,
    pieces: Mapping[str, Path] | None = None,
) -> Submission:
    """Read several files that are graded as one: `main`, and those of the others that lie beside
    it, each with what it imports. beside, pieces: as of `read`. Raises UnusableInput.
    """
    wanted = Names(main, tuple(names), {})
    try:
        tree = tree_of(path, beside, pieces)
        found = find(path, tree, wanted, others)
        files = dict(found.files)
        for other in others:
            place = f"{found.folder}/{other}" if found.folder else other
            if tree.has(place):
                files |= gather(path, tree, place).files
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read ({error.strerror})") from error
    root = _root(path, tree) / found.folder
    return _submission(path, root, found, files, wanted, (), None, ())


def _submission(
    path: Path,
    root: Path,
    found: Found,
    files: dict[str, bytes],
    wanted: Names,
    imports: Collection[str],
    base: str | None,
    base_names: Sequence[str],
) -> Submission:
    own = _as_judged(found.main, wanted.file, found.files)
    judged = {own if name == found.main else name: text for name, text in files.items()}
    roles, classes, alien = _roles_and_classes(path, found.main, files, wanted)
    starts = {name: (found.main, name) for name in wanted.names}
    starts |= {role.name: (role.file, role.own) for role in roles}
    known = facts(files, found.main, starts, imports, base, base_names)
    problem = str(replace(known.problems[0], file=own)) if known.hopeless else None
    unread = found.text.error or alien
    return Submission(
        path=str(path),
        folder=str(root),
        main=found.main,
        files=files,
        sha256=_digest(judged),
        package="submission" if known.relative else None,
        error=f"{own}: {unread}" if unread else problem,
        unread=bool(unread),
        violations=known.violations,
        unwritten=known.unwritten,
        taken=roles,
        classes=classes,
        cells=found.text.cells,
        notes=tuple(_notes(path, root, found)),
        stubs=known.stubs,
        problems=known.problems,
        lost=known.lost,
        patched=known.patched,
        needed=known.needed,
    )


def _roles_and_classes(
    path: Path, main: str, files: Mapping[str, bytes], wanted: Names
) -> tuple[tuple[Taken, ...], tuple[str, ...], str]:
    """What was taken for what, the names of all classes, and why it is no answer, if it is none.
    The trees are gone afterwards: one takes many times its text.
    """
    trees = {name: node for name, text in files.items() if (node := parsed(text)) is not None}
    roles = taken(path, trees, main, wanted)
    named = stem_of(main) == stem_of(wanted.file)
    alien = "" if roles or main not in trees else no_answer(trees[main], wanted, named)
    return roles, tuple(Classes.of(trees, main).found), alien


def _as_judged(own: str, main: str, files: Collection[str]) -> str:
    """The main file's name while it is judged: in the same folder, as the exercise calls it."""
    name = (PurePosixPath(own).parent / main).as_posix()
    if name not in files:
        return name
    return own if own.endswith(".py") else PurePosixPath(own).with_suffix(".py").as_posix()


def _root(path: Path, tree: Tree) -> Path:
    """The folder of all files, as far as messages tell."""
    if isinstance(tree, Alone):
        return path.parent
    return path.parent / stem(path.name) if tree.kind == "archive" else path


def _notes(path: Path, root: Path, found: Found) -> Iterator[str]:
    """What is told of where the code was found and what was done to it."""
    if found.text.notes:
        yield f"Of {found.main} " + "; ".join(found.text.notes) + "."


def _with_base(
    path: Path, tree: Tree, found: Found, base: str, folder: Path | None, needed: bool
) -> dict[str, bytes]:
    """The files with `base`, and what it imports, from a folder. Raises UnusableInput."""
    advice = f"Put a {base} there, or give the folder of another as --base (such as solutions)."
    there = f"{found.folder}/{base}" if found.folder else base
    if folder is None:
        beside = Alone(path.parent / base, True) if isinstance(tree, Alone) else tree
        if (isinstance(tree, Alone) and (path.parent / base).exists()) or tree.has(there):
            return gather(path, beside, there).files | found.files
        if needed:
            raise UnusableInput(f"{path}: this exercise builds on {base}, found none. {advice}")
        return found.files
    try:
        below = find(folder, tree_of(folder), Names(base, (), {})).files
    except UnusableInput as error:
        raise UnusableInput(f"{path}: this exercise builds on {base}. {error} {advice}") from error
    own = {name: text for name, text in found.files.items() if name != base}
    both = [name for name in own if name in below and own[name] != below[name]]
    if both:
        raise UnusableInput(
            f"{path} and {folder} both have {', '.join(both)}. Give them different names."
        )
    return below | own


def unusable(path: Path, main: str, error: UnusableInput) -> Submission:
    """What stands for something handed in that cannot be read: nothing, and why."""
    digest = _digest({"": str(error).encode("utf-8", "replace")})
    return Submission(str(path), str(path.parent), main, {}, digest, error=str(error), unread=True)


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(os.fsencode(f"{name}\0{len(text)}\0") + text)
    return digest.hexdigest()
