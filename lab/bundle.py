"""Reads TensorFlow's checkpoints (format V2, "tensor bundle") without TensorFlow.

A checkpoint is an index, NAME.index, and the tensors' bytes one after the other in shards,
NAME.data-00000-of-00001 and so on. The index is a table in LevelDB's format: sorted keys (names)
with values (protocol buffers that say dtype, shape, shard, offset, size and checksum). Everything
in it has a CRC-32C, and all of them are verified.

Sources: `tensor_bundle.proto` and `table/format.cc` of TensorFlow; LevelDB's `table_format.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.crc32c import crc32c

_FOOTER = 48  # bytes: two handles, padded with zeros, and the magic number
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # bytes behind each block: its compression and its checksum
# Numbers of DataType in TensorFlow's types.proto.
_DTYPES = {
    **{1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?"},
    **{17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"},
}
_Message = dict[int, list[Any]]  # field number -> what it holds, in order: ints or bytes


class CheckpointError(ValueError):
    """The files are no checkpoint, or are damaged. The message says what was expected and found."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor is. offset, size: bytes; crc: masked, as it is stored."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


class Checkpoint(Mapping[str, "NDArray[Any]"]):
    """The tensors of a checkpoint by name. Each is read, and verified, when it is asked for.

    So no more is in memory than what the caller keeps. Raises CheckpointError.
    """

    def __init__(self, prefix: Path) -> None:
        index = prefix.with_name(f"{prefix.name}.index")
        pairs = dict(_table(index))
        header = _message(pairs.pop(b"", b""), index)
        if 1 not in header:
            raise CheckpointError(f"{index}: expected the header of a bundle, found none")
        if header.get(2, [0])[-1]:
            raise CheckpointError(f"{index}: expected little-endian numbers, found big-endian")
        count = header[1][-1]
        self._shards = [
            prefix.with_name(f"{prefix.name}.data-{n:05}-of-{count:05}") for n in range(count)
        ]
        self.entries = {
            key.decode("utf-8"): _entry(key.decode("utf-8"), value, index, count)
            for key, value in pairs.items()
        }
        for number, shard in enumerate(self._shards):
            inside = [entry for entry in self.entries.values() if entry.shard == number]
            expected = max((entry.offset + entry.size for entry in inside), default=0)
            found = _size(shard)
            if found != expected:
                raise CheckpointError(f"{shard}: expected {expected} bytes, found {found}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self.entries[name]
        path = self._shards[entry.shard]
        data = np.fromfile(path, dtype=np.uint8, count=entry.size, offset=entry.offset)
        if data.size != entry.size:
            raise CheckpointError(f"{path}: {name} ends after {data.size} of {entry.size} bytes")
        _verify(data, entry.crc, f"{path}: {name}")
        return data.view(entry.dtype).reshape(entry.shape)


def read_checkpoint(folder: Path) -> Checkpoint:
    """The newest checkpoint in a folder, as the file `checkpoint` in it says.

    Raises CheckpointError if there is none, or if its files are damaged.
    """
    state = folder / "checkpoint"
    if not state.is_file():
        raise CheckpointError(f"{state}: expected a file that names the checkpoint, found none")
    text = state.read_text(encoding="utf-8", errors="replace")
    named = re.search(r'^model_checkpoint_path: "(.+)"$', text, re.MULTILINE)
    if named is None:
        raise CheckpointError(f'{state}: expected a line model_checkpoint_path: "…", found none')
    return Checkpoint(folder / Path(named[1]).name)  # the others may be named by where they were


def _size(path: Path) -> int:
    if not path.is_file():
        raise CheckpointError(f"{path}: expected this file, found none")
    return path.stat().st_size


def _verify(data: NDArray[np.uint8], masked: int, what: str) -> None:
    """Raise CheckpointError unless the checksum is right. Stored ones are rotated and shifted."""
    crc = crc32c(data)
    found = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if found != masked:
        raise CheckpointError(
            f"{what} is damaged: expected checksum {masked:08x}, found {found:08x}"
        )


# The index: a table in LevelDB's format.


def _table(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values."""
    size = _size(path)
    data = path.read_bytes()
    reader = _Reader(data[-_FOOTER:], path)
    if size < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise CheckpointError(
            f"{path}: expected {_MAGIC:016x}, the mark of a table, in its last 8 bytes; it is cut "
            "off or something else"
        )
    other = reader.varint(), reader.varint()
    blocks = reader.varint(), reader.varint()
    if any(reader.data[reader.place : -8]):
        raise CheckpointError(f"{path}: expected zeros before the mark, found other bytes")
    _block(data, *other, path)  # of what it holds nothing is needed
    for _, handle in _pairs(_block(data, *blocks, path), path):
        place = _Reader(handle, path)
        yield from _pairs(_block(data, place.varint(), place.varint(), path), path)


def _block(data: bytes, offset: int, size: int, path: Path) -> bytes:
    """A block, verified with its trailer."""
    end = offset + size + _TRAILER
    if end > len(data) - _FOOTER:
        raise CheckpointError(f"{path}: a block ends at {end}, behind the table's end")
    compression = data[offset + size]
    masked = int.from_bytes(data[end - 4 : end], "little")
    covered = np.frombuffer(data, dtype=np.uint8, count=size + 1, offset=offset)
    _verify(covered, masked, f"{path}: the block at {offset}")
    if compression:
        raise CheckpointError(
            f"{path}: expected blocks that are not compressed, found compression {compression}"
        )
    return data[offset : offset + size]


def _pairs(block: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block. A key begins as the one before did."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    reader = _Reader(block, path)
    key = b""
    while reader.place < end:
        shared, rest, size = reader.varint(), reader.varint(), reader.varint()
        key = key[:shared] + reader.take(rest)
        yield key, reader.take(size)


# Its values: protocol buffers.


def _entry(name: str, value: bytes, path: Path, shards: int) -> Entry:
    """A BundleEntryProto."""
    fields = _message(value, path)
    if 7 in fields:
        raise CheckpointError(f"{path}: {name} is kept in slices, which are not read")
    number = fields.get(1, [0])[-1]
    if number not in _DTYPES:
        raise CheckpointError(
            f"{path}: {name} is of TensorFlow's dtype {number}, which is not read"
        )
    dtype = np.dtype(_DTYPES[number])
    dimensions = _message(fields.get(2, [b""])[-1], path).get(2, [])
    shape = tuple(_message(dimension, path).get(1, [0])[-1] for dimension in dimensions)
    shard, offset, size, crc = (fields.get(n, [0])[-1] for n in (3, 4, 5, 6))
    if size != math.prod(shape) * dtype.itemsize or shard >= shards:
        raise CheckpointError(
            f"{path}: expected {name} to have {math.prod(shape) * dtype.itemsize} bytes in one of "
            f"{shards} shards, found {size} bytes in shard {shard}"
        )
    return Entry(dtype, shape, shard, offset, size, crc)


def _message(data: bytes, path: Path) -> _Message:
    """The fields of a protocol buffer."""
    reader = _Reader(data, path)
    fields: _Message = {}
    while reader.place < len(data):
        key = reader.varint()
        kind = key & 7
        if kind == 0:
            value: int | bytes = reader.varint()
        elif kind == 2:
            value = reader.take(reader.varint())
        elif kind in (1, 5):
            value = int.from_bytes(reader.take(8 if kind == 1 else 4), "little")
        else:
            raise CheckpointError(
                f"{path}: expected a protocol buffer, found a field of kind {kind}"
            )
        fields.setdefault(key >> 3, []).append(value)
    return fields


@dataclass
class _Reader:
    """Bytes that are read from the front."""

    data: bytes
    path: Path
    place: int = field(default=0)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        found = self.data[self.place : self.place + count]
        if len(found) != count:
            raise CheckpointError(f"{self.path}: ends in the middle of an entry")
        self.place += count
        return found

    def varint(self) -> int:
        """A number in seven bits a byte, the lowest first."""
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
            if shift > 63:
                raise CheckpointError(f"{self.path}: expected a number, found more than 64 bits")
