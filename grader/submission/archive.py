"""Hand-ins in zip and tar archives, read in memory: nothing is unpacked to the disk."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from bz2 import BZ2File
from collections.abc import Callable
from gzip import GzipFile
from itertools import islice
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
    of_environments,
)
from grader.submission.refused import binary

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
_XZ_MEMORY = 100_000_000  # bytes; what xz itself packs takes 65 million at most
_DEEPEST = 2  # archives in archives
_FEW = 20  # files in a folder that are looked at whether they are archives


def is_packed(name: str) -> bool:
    """Whether a file of this name is to be read as an archive."""
    return name.lower().endswith(PACKED)


def unpacked(name: str, data: bytes) -> dict[str, Reader]:
    """What may be of use in an archive called `name`. Raises UnusableInput.

    Its first bytes say of which kind it is: people, and browsers, give it other endings.
    """
    is_zip = is_zipped(data) or (name.lower().endswith(".zip") and not _is_tarred(data))
    try:
        found = _of_zip(name, data) if is_zip else _of_tar(name, data)
    except _BROKEN as error:
        kind = "zip" if is_zip else "tar"
        told = f"{name}: not a {kind} archive that can be read ({error})"
        what = f" It is {other}." if (other := binary(data)) and not is_zipped(data) else ""
        raise UnusableInput(f"{told}.{what} Get it once more.") from None
    return found


def is_zipped(data: bytes) -> bool:
    """Whether the bytes begin as those of a zip archive do."""
    return data.startswith((b"PK\3\4", b"PK\5\6"))


def _is_tarred(data: bytes) -> bool:
    return data.startswith(tuple(_COMPRESSED)) or data[257:262] == b"ustar"


def opened(readers: dict[str, Reader], deep: int = 0) -> tuple[dict[str, Reader], tuple[str, ...]]:
    """The files with those of the archives among them, in folders of their names.

    Besides, why some archives cannot be read.
    """
    found: dict[str, Reader] = {}
    troubles: list[str] = []
    for place, read in readers.items():
        if not is_packed(place) and not (len(readers) <= _FEW and _is_in_disguise(read)):
            found[place] = read
        elif deep == _DEEPEST:
            troubles.append(f"{place}: an archive so deep in others is not looked into. Unpack it.")
        else:
            try:
                inside, more = opened(unpacked(place, read()), deep + 1)
            except (UnusableInput, OSError) as error:
                troubles.append(str(error))
                continue
            found |= {f"{stem(place)}/{name}": reader for name, reader in inside.items()}
            troubles += more
    return found, tuple(troubles)


def _is_in_disguise(read: Reader) -> bool:
    """Whether it is a zip under another name, as where nothing but Python may be handed in."""
    try:
        return is_zipped(read())
    except (UnusableInput, OSError):
        return False


def stem(place: str) -> str:
    """An archive's name without its ending."""
    ending = next((ending for ending in reversed(PACKED) if place.lower().endswith(ending)), "")
    return place[: -len(ending)] if ending else PurePosixPath(place).with_suffix("").as_posix()


def _of_zip(name: str, data: bytes) -> dict[str, Reader]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnusableInput(f"{name}: more than {MAX_ENTRIES:,} files and folders. {ADVICE}")
    found: dict[str, Reader] = {}
    places = [_place(name, entry.filename) for entry in entries]
    left_out = of_environments(places)
    for entry, place in zip(entries, places, strict=True):
        if entry.filename.endswith(("/", "\\")) or place in left_out or not is_wanted(place):
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
    expand = next((way for start, way in _COMPRESSED.items() if data.startswith(start)), None)
    if expand is not None:
        data = expand(data)
        if len(data) > _UNPACKED_BYTES:
            raise UnusableInput(f"{name}: more than {_UNPACKED_BYTES:,} bytes in it. {ADVICE}")
    found: dict[str, Reader] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        entries = list(islice(archive, MAX_ENTRIES + 1))
    if len(entries) > MAX_ENTRIES:
        raise UnusableInput(f"{name}: more than {MAX_ENTRIES:,} files and folders. {ADVICE}")
    places = [_place(name, entry.name) for entry in entries]
    left_out = of_environments(places)
    for entry, place in zip(entries, places, strict=True):
        if not entry.isdir() and place not in left_out and is_wanted(place):
            found[place.as_posix()] = _tar_reader(name, entry, data)  # a later one takes its place
    return found


def _of_xz(data: bytes) -> bytes:
    """As much of it as is read. Raises EOFError and others for what is broken."""
    try:
        from lzma import LZMADecompressor, LZMAError
    except ImportError:  # a Python that was built without it
        raise UnusableInput("this Python cannot read .xz. Unpack it first.") from None
    expander = LZMADecompressor(memlimit=_XZ_MEMORY)
    try:
        found = expander.decompress(data, _UNPACKED_BYTES + 1)
    except LZMAError as error:
        raise ValueError(str(error)) from None
    if not expander.eof and len(found) <= _UNPACKED_BYTES:
        raise EOFError("cut off")
    return found


def _of_stream(open_: Callable[[io.BytesIO], IO[bytes] | GzipFile]) -> Callable[[bytes], bytes]:
    def read(data: bytes) -> bytes:
        with open_(io.BytesIO(data)) as file:
            return file.read(_UNPACKED_BYTES + 1)

    return read


# By their first bytes: how a compressed tar is read, as far as it may go.
_COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": _of_stream(lambda data: GzipFile(fileobj=data)),
    b"BZh": _of_stream(BZ2File),
    b"\xfd7zXZ\0": _of_xz,
}


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
