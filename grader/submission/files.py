"""What was handed in, as bytes: a file or a folder, within bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from grader.errors import GraderError

MAX_FILES = 200
MAX_BYTES = 1_000_000  # of all files together
MAX_FILE_BYTES = 100_000  # a tree of syntax takes up to 800 times the bytes of its text
MAX_ENTRIES = 20_000  # files and folders that are looked at
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv"}


class UnusableInput(GraderError):
    """The path given is nothing that can be graded. The message says what to do."""


class MissingFile(UnusableInput):
    """The folder or archive given does not have the file that is asked for."""


def read_file(path: Path) -> bytes:
    """A Python file. Raises UnusableInput or OSError."""
    if not path.exists():
        raise UnusableInput(
            f"{path}: no such file or folder. Give the file with your classes, or its folder."
        )
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnusableInput(f"{path}: not a regular file. Give a Python file or a folder.")
    if path.suffix != ".py":
        raise UnusableInput(
            f"{path}: not a Python file. Give a file that ends in .py, or a folder."
        )
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise UnusableInput(f"{path}: larger than {MAX_FILE_BYTES:,} bytes. Hand in the code only.")
    return text


def read_folder(root: Path, main: str) -> dict[str, bytes]:
    """The Python files of a folder that has `main`, by relative path.

    Raises UnusableInput or OSError.
    """
    if not (root / main).is_file():
        others = sorted(" ".join(p.name.split()) for p in root.glob("*.py"))[:8]
        there = ", ".join(others) or "no Python file"
        raise MissingFile(f"{root}: expected {main} in this folder, found {there}.")
    if (root / main).is_symlink():
        raise UnusableInput(f"{root / main}: a symbolic link. Hand in the file itself.")
    files: dict[str, bytes] = {}
    size = 0
    try:
        found = sorted(_python_files(root))
    except RecursionError:  # os.walk, before Python 3.12
        raise UnusableInput(f"{root}: its folders lie too deep. Hand in the code only.") from None
    for file in found:
        text = read_file(file)
        size += len(text)
        if len(files) == MAX_FILES or size > MAX_BYTES:
            raise UnusableInput(
                f"{root}: more than {MAX_FILES} Python files or {MAX_BYTES:,} bytes. "
                "Give a folder with only the submission in it."
            )
        files[file.relative_to(root).as_posix()] = text
    return files


def _python_files(root: Path) -> Iterator[Path]:
    """Regular Python files below a folder, links left out, in no order. Raises UnusableInput."""
    entries = 0
    for folder, inside, names in os.walk(root):
        entries += len(inside) + len(names)
        if entries > MAX_ENTRIES:
            raise UnusableInput(
                f"{root}: more than {MAX_ENTRIES:,} files and folders. "
                "Give a folder with only the submission in it."
            )
        inside[:] = [name for name in inside if not _is_skipped(name)]
        for name in names:
            file = Path(folder, name)
            if is_wanted(PurePath(name)) and not file.is_symlink() and file.is_file():
                yield file


def is_wanted(place: PurePath) -> bool:
    """Whether what lies at a relative place is a Python file, and none of a library or a tool."""
    return place.suffix == ".py" and not any(map(_is_skipped, place.parts))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED_FOLDERS
