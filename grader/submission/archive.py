"""A submission in a zip archive, read in memory: nothing is unpacked to the disk."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from grader.submission.files import (
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MissingFile,
    UnusableInput,
    is_wanted,
)

_MAX_ARCHIVE_BYTES = 20_000_000
# What zipfile raises for what is no zip archive, or a damaged one.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
# Others can ask for more memory than there is before a byte is out.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_archive(path: Path) -> bool:
    """Whether this is to be read as a zip archive."""
    return path.suffix.lower() == ".zip" and path.is_file()


def read_archive(path: Path, main: str) -> tuple[str, dict[str, bytes]]:
    """The file that holds the exercise, and all Python files beside and below it.

    That is `main`, at the top or in the outermost folder that has it, or else the only Python
    file. Raises UnusableInput or OSError.
    """
    if path.stat().st_size > _MAX_ARCHIVE_BYTES:
        raise UnusableInput(f"{path}: larger than {_MAX_ARCHIVE_BYTES:,} bytes. {_ADVICE}")
    try:
        with zipfile.ZipFile(path) as archive:
            files = _python_files(path, archive)
    except _BROKEN as error:
        raise UnusableInput(f"{path}: not a zip archive that can be read ({error})") from None
    return _rooted(path, main, files)


_ENCRYPTED = 1  # of an entry's flags
_ADVICE = "Hand in the code only."


def _python_files(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnusableInput(f"{path}: more than {MAX_ENTRIES:,} files and folders. {_ADVICE}")
    files: dict[str, bytes] = {}
    size = 0
    for entry in entries:
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in str(place.parts[:1]):
            raise UnusableInput(f"{path}: {entry.filename!r} lies outside of the archive.")
        mode = entry.external_attr >> 16
        if stat.S_ISLNK(mode):
            raise UnusableInput(f"{path}: {entry.filename!r} is a link. Hand in the file itself.")
        if entry.is_dir() or not is_wanted(place):
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise UnusableInput(f"{path}: {entry.filename!r} is encrypted. Hand it in readable.")
        if entry.compress_type not in _METHODS:
            raise UnusableInput(
                f"{path}: {entry.filename!r} is packed in a rare way. Pack it anew, with deflate."
            )
        text = _read_entry(path, archive, entry)
        size += len(text)
        if len(files) == MAX_FILES or size > MAX_BYTES:
            raise UnusableInput(
                f"{path}: more than {MAX_FILES} Python files or {MAX_BYTES:,} bytes. {_ADVICE}"
            )
        if place.as_posix() in files:
            raise UnusableInput(f"{path}: {entry.filename!r} is in it twice.")
        files[place.as_posix()] = text
    return files


def _read_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of one file; what it claims of its size is not believed."""
    with archive.open(entry) as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise UnusableInput(
            f"{path}: {entry.filename!r} is larger than {MAX_FILE_BYTES:,} bytes. {_ADVICE}"
        )
    return text


def _rooted(path: Path, main: str, files: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    places = [PurePosixPath(name) for name in files]
    holding = sorted((p for p in places if p.name == main), key=lambda p: (len(p.parts), str(p)))
    if not holding and len(places) == 1:
        holding = places
    if not holding:
        found = ", ".join(sorted(files)[:8]) or "no Python file"
        raise MissingFile(f"{path}: expected {main} in this archive, found {found}.")
    first = holding[0]
    if len(holding) > 1 and len(holding[1].parts) == len(first.parts):
        raise UnusableInput(f"{path}: expected one {main}, found {first} and {holding[1]}.")
    inside = {p for p in places if first.parent in (p.parent, *p.parents)}
    return first.name, {
        p.relative_to(first.parent).as_posix(): files[p.as_posix()] for p in sorted(inside)
    }
