"""What was handed in, as places and bytes, within bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath

from grader.errors import GraderError
from grader.submission.refused import why_not

MAX_FILES = 200
MAX_BYTES = 1_000_000  # of all files together
MAX_FILE_BYTES = 100_000  # a tree of syntax takes up to 800 times the bytes of its text
MAX_ENTRIES = 20_000  # files and folders that are looked at
MAX_NOTEBOOK_BYTES = 10_000_000  # most of which are pictures
MAX_PAGE_BYTES = 400_000  # most of which are colours
MAX_ARCHIVE_BYTES = 20_000_000
NOTEBOOKS = (".ipynb", ".ipynb.json", ".ipynb.txt")  # the longer ones are browsers' doing
CODE = (".py", ".pyw", ".py.txt", *NOTEBOOKS)  # endings of files with code
PAGES = (".html", ".htm")  # as platforms keep what was typed into their editors
PROSE = (".txt", ".md", *PAGES)  # of files that may hold code, where there are none of the others
PACKED = (*(".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz"),)
_SKIPPED_FOLDERS = {"__pycache__", "__MACOSX", "node_modules", "site-packages", "venv"}
ENVIRONMENT = "pyvenv.cfg"  # lies in the folder of a virtualenv, beside these
_OF_ENVIRONMENT = {"bin", "include", "lib", "lib64", "scripts", "share"}
ADVICE = "Hand in the code only."


class UnusableInput(GraderError):
    """The path given is nothing that can be graded. The message says what to do."""


class MissingFile(UnusableInput):
    """The folder or archive given does not have the file that is asked for."""


class SeveralFiles(UnusableInput):
    """Several files may be what is asked for, and none more than the others."""


Reader = Callable[[], bytes]


class Tree:
    """The files of a hand-in: places relative to its folder ("src/gpt2.py"), read when asked for.

    kind: what it is called in messages; troubles: why some of it cannot be looked into;
    others: what is there besides, and is no code.
    """

    def __init__(
        self,
        kind: str,
        readers: dict[str, Reader],
        troubles: tuple[str, ...] = (),
        others: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.others = others
        self.readers = readers
        self.troubles = troubles

    def __iter__(self) -> Iterator[str]:
        """All places, the outermost first."""
        return iter(sorted(self.readers, key=lambda place: (place.count("/"), place)))

    def has(self, place: str) -> bool:
        """Whether there is such a file."""
        return place in self.readers

    def read(self, place: str) -> bytes:
        """The bytes of a file. Raises UnusableInput or OSError."""
        return self.readers[place]()


class Alone(Tree):
    """One file; those beside it are there for what it imports, and are not listed.

    beside: whether there are any.
    """

    def __init__(self, path: Path, beside: bool) -> None:
        super().__init__("file", {path.name: lambda: read_file(path)})
        self._folder = path.parent if beside else None

    def has(self, place: str) -> bool:
        """Whether it is the file, or a regular one beside it."""
        if self._folder is None or place in self.readers:
            return place in self.readers
        file = self._folder / place
        return file.is_file() and not file.is_symlink()

    def read(self, place: str) -> bytes:
        """The bytes of a file. Raises UnusableInput or OSError."""
        if place in self.readers or self._folder is None:
            return super().read(place)
        return read_file(self._folder / place)


def read_file(path: Path) -> bytes:
    """A file of a kind that is read. Raises UnusableInput or OSError."""
    if not path.exists():
        raise UnusableInput(
            f"{path}: no such file or folder. Give the file with your classes, or its folder."
        )
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnusableInput(f"{path}: not a regular file. Give a Python file or a folder.")
    if path.name.lower().endswith(PACKED):
        limit = MAX_ARCHIVE_BYTES
    elif path.name.lower().endswith(CODE) or is_prose(path.name):
        limit = limit_of(path.name)
    else:
        raise UnusableInput(f"{path}: {why_not(path.name)}")
    with path.open("rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise UnusableInput(f"{path}: larger than {limit:,} bytes. {ADVICE}")
    return text


def limit_of(name: str) -> int:
    """How many bytes a file of this name may have."""
    if name.lower().endswith(NOTEBOOKS):
        return MAX_NOTEBOOK_BYTES
    return MAX_PAGE_BYTES if name.lower().endswith(PAGES) else MAX_FILE_BYTES


def folder_readers(root: Path) -> dict[str, Reader]:
    """What may be of use in a folder. Raises UnusableInput or OSError."""
    try:
        found = sorted(_files_of(root))
    except RecursionError:  # os.walk, before Python 3.12
        raise UnusableInput(f"{root}: its folders lie too deep. {ADVICE}") from None
    return {file.relative_to(root).as_posix(): _reader(file, root) for file in found}


def others_in(root: Path) -> tuple[str, ...]:
    """Names of files right in a folder that hold no code."""
    names = sorted(path.name for path in root.iterdir() if path.is_file())
    return tuple(n for n in names if not n.startswith(".") and not is_wanted(PurePath(n)))


def readers_of(pieces: Mapping[str, Path]) -> dict[str, Reader]:
    """What may be of use in files and folders that were handed in together.

    Raises UnusableInput or OSError.
    """
    found: dict[str, Reader] = {}
    for number, (name, path) in enumerate(pieces.items()):
        if path.is_dir() and not path.is_symlink():
            own = folder_readers(path)
        else:
            own = {name: _reader(path)} if is_wanted(PurePath(name)) else {}
        twice = not found.keys().isdisjoint(own)
        found |= {f"{number}/{place}" if twice else place: r for place, r in own.items()}
    return found


def _reader(file: Path, root: Path | None = None) -> Reader:
    """Reads a file; what is a link leads to somewhere below the root, or is refused."""

    def read() -> bytes:
        if file.is_symlink() and not (root and file.resolve().is_relative_to(root.resolve())):
            raise UnusableInput(f"{file}: a symbolic link. Hand in the file itself.")
        return read_file(file)

    return read


def _files_of(root: Path) -> Iterator[Path]:
    """Files below a folder that may be of use, in no order. Raises UnusableInput."""
    entries = 0
    for folder, inside, names in os.walk(root):
        entries += len(inside) + len(names)
        if entries > MAX_ENTRIES:
            raise UnusableInput(
                f"{root}: more than {MAX_ENTRIES:,} files and folders. "
                "Give a folder with only the submission in it."
            )
        inside[:] = [name for name in inside if not _is_skipped(name)]
        if ENVIRONMENT in names:
            inside[:] = [name for name in inside if name.lower() not in _OF_ENVIRONMENT]
        for name in names:
            file = Path(folder, name)
            if is_wanted(PurePath(name)) and (file.is_file() or file.is_symlink()):
                yield file


def is_prose(place: str) -> bool:
    """Whether a file of this name may hold code where there is no other: a text, or one whose
    name has no ending.
    """
    name = PurePosixPath(place.lower()).name
    return name.endswith(PROSE) or "." not in name


def is_wanted(place: PurePath) -> bool:
    """Whether what lies at a relative place may be code, and none of a library or a tool."""
    known = place.name.lower().endswith((*CODE, *PACKED)) or is_prose(place.name)
    return known and not any(map(_is_skipped, place.parts))


def of_environments(places: Collection[PurePosixPath]) -> set[PurePosixPath]:
    """Those of these places that lie in virtualenvs, whatever these are called."""
    roots = [place.parent.parts for place in places if place.name == ENVIRONMENT]

    def lies_in(place: PurePosixPath, root: tuple[str, ...]) -> bool:
        inside = place.parts[len(root) : -1]
        return (
            place.parts[: len(root)] == root
            and inside[:1] != ()
            and inside[0].lower() in _OF_ENVIRONMENT
        )

    return {place for place in places if any(lies_in(place, root) for root in roots)}


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED_FOLDERS


def is_test(place: str) -> bool:
    """Whether a file is one of tests, by where it lies or what it is called."""
    *folders, name = PurePosixPath(place.lower()).parts
    stem = name.split(".")[0]
    named = stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"
    return named or any(folder in ("test", "tests") for folder in folders)
