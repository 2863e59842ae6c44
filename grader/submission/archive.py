"""Hand-ins in zip and tar archives, read in memory: nothing is unpacked to the disk."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from bz2 import BZ2File
from gzip import GzipFile
from pathlib import PurePosixPath
from typing import IO

from grader.submission.files import (
    ADVICE,
    MAX_ARCHIVE_BYTES,
    MAX_ENTRIES,
    PACKED,
    Reader,
    UnusableInput,
    is_wanted,
    limit_of,
)

# What the libraries raise for what is no archive, or a damaged one.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,  # of gzip, for what is none
)
# Others can ask for more memory than there is before a byte is out.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1  # of an entry's flags
_UNPACKED_BYTES = 50_000_000  # of a tar, whose files come one after the other
_DEEPEST = 2  # archives in archives


def is_packed(name: str) -> bool:
    """Whether a file of this name is to be read as an archive."""
    return name.lower().endswith(PACKED)


def unpacked(name: str, data: bytes) -> dict[str, Reader]:
    """What may be of use in an archive called `name`. Raises UnusableInput."""
    is_zip = name.lower().endswith(".zip")
    try:
        found = _of_zip(name, data) if is_zip else _of_tar(name, data)
    except _BROKEN as error:
        kind = "zip" if is_zip else "tar"
        raise UnusableInput(f"{name}: not a {kind} archive that can be read ({error})") from None
    return found


def opened(readers: dict[str, Reader], deep: int = 0) -> tuple[dict[str, Reader], tuple[str, ...]]:
    """The files with those of the archives among them, in folders of their names.

    Besides, why some archives cannot be read.
    """
    found: dict[str, Reader] = {}
    troubles: list[str] = []
    for place, read in readers.items():
        if not is_packed(place):
            found[place] = read
        elif deep < _DEEPEST:
            try:
                inside, more = opened(unpacked(place, read()), deep + 1)
            except (UnusableInput, OSError) as error:
                troubles.append(str(error))
                continue
            found |= {f"{stem(place)}/{name}": reader for name, reader in inside.items()}
            troubles += more
    return found, tuple(troubles)


def stem(place: str) -> str:
    """An archive's name without its ending."""
    ending = next(ending for ending in reversed(PACKED) if place.lower().endswith(ending))
    return place[: -len(ending)]


def _of_zip(name: str, data: bytes) -> dict[str, Reader]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnusableInput(f"{name}: more than {MAX_ENTRIES:,} files and folders. {ADVICE}")
    found: dict[str, Reader] = {}
    for entry in entries:
        place = _place(name, entry.filename)
        if entry.is_dir() or not is_wanted(place):
            continue
        if place.as_posix() in found:
            raise UnusableInput(f"{name}: {entry.filename!r} is in it twice.")
        found[place.as_posix()] = _zip_reader(name, archive, entry)
    return found


def _place(name: str, inside: str) -> PurePosixPath:
    """Where an entry lies. Raises UnusableInput if that is not in the archive."""
    place = PurePosixPath(inside.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in str(place.parts[:1]):
        raise UnusableInput(f"{name}: {inside!r} lies outside of the archive.")
    return place


def _zip_reader(name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Reader:
    def read() -> bytes:
        shown = f"{name}: {entry.filename!r}"
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnusableInput(f"{shown} is a link. Hand in the file itself.")
        if entry.flag_bits & _ENCRYPTED:
            raise UnusableInput(f"{shown} is encrypted. Hand it in readable.")
        if entry.compress_type not in _METHODS:
            raise UnusableInput(f"{shown} is packed in a rare way. Pack it anew, with deflate.")
        try:
            with archive.open(entry) as file:
                return _bounded(shown, file, entry.filename)
        except _BROKEN as error:
            raise UnusableInput(f"{name}: not a zip archive that can be read ({error})") from None

    return read


def _bounded(shown: str, file: IO[bytes], place: str) -> bytes:
    """The bytes of one file; what it claims of its size is not believed."""
    limit = MAX_ARCHIVE_BYTES if is_packed(place) else limit_of(place)
    text = file.read(limit + 1)
    if len(text) > limit:
        raise UnusableInput(f"{shown} is larger than {limit:,} bytes. {ADVICE}")
    return text


def _of_tar(name: str, data: bytes) -> dict[str, Reader]:
    """All at once: a tar can only be read from its beginning to its end."""
    if data.startswith((b"\x1f\x8b", b"BZh")):
        stream = io.BytesIO(data)
        is_bzip = data.startswith(b"BZh")
        with BZ2File(stream) if is_bzip else GzipFile(fileobj=stream) as file:
            data = file.read(_UNPACKED_BYTES + 1)
        if len(data) > _UNPACKED_BYTES:
            raise UnusableInput(f"{name}: more than {_UNPACKED_BYTES:,} bytes in it. {ADVICE}")
    found: dict[str, Reader] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for count, entry in enumerate(archive):
            if count > MAX_ENTRIES:
                raise UnusableInput(
                    f"{name}: more than {MAX_ENTRIES:,} files and folders. {ADVICE}"
                )
            place = _place(name, entry.name)
            if entry.isdir() or not is_wanted(place):
                continue
            if place.as_posix() in found:
                raise UnusableInput(f"{name}: {entry.name!r} is in it twice.")
            found[place.as_posix()] = _tar_reader(name, entry, data)
    return found


def _tar_reader(name: str, entry: tarfile.TarInfo, data: bytes) -> Reader:
    def read() -> bytes:
        shown = f"{name}: {entry.name!r}"
        if not entry.isreg() or entry.issparse():
            raise UnusableInput(f"{shown} is a link, or no file. Hand in the file itself.")
        end = entry.offset_data + entry.size
        if end > len(data):
            raise UnusableInput(f"{name}: not a tar archive that can be read (cut off)")
        return _bounded(shown, io.BytesIO(data[entry.offset_data : end]), entry.name)

    return read
