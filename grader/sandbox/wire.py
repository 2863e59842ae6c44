"""The language between the trusted parent and a worker: bounded JSON and raw array bytes.

A frame is an 8-byte prefix (length of the header, length of the payload: two little-endian
uint32), a JSON object, and the bytes of its arrays one after the other. The object's key
``arrays`` lists ``[dtype, shape]`` of each. Both sides use this module; only the parent's
reader is exposed to bytes that a submission may have chosen, and it trusts none of them.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

HEADER_LIMIT = 512 * 1024  # bytes
PAYLOAD_LIMIT = 64 * 1024 * 1024  # bytes
MAX_ARRAYS = 4096
MAX_DIMENSIONS = 8
MAX_MODULES = 4000  # in a model
MAX_DESCRIPTION = 4 * 1024 * 1024  # bytes of the text that says what is in a model
ITEM_SIZES = {"float64": 8, "float32": 4, "int64": 8, "bool": 1, "uint8": 1}
_PREFIX = struct.Struct("<II")
_CHUNK = 1 << 20


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


# Made once: `json.dumps` and `json.loads` make one for each call with other than default options.
_ENCODER = json.JSONEncoder(allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class WireError(Exception):
    """Bytes arrived that are no frame: too long, not JSON, or arrays that do not add up."""


class DeadlineError(Exception):
    """Nothing (or not everything) arrived in time."""


class ClosedError(Exception):
    """The other side closed the connection."""


@dataclass(frozen=True)
class Array:
    """Raw little-endian bytes with a dtype from ITEM_SIZES and a shape."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Message:
    """A bounded JSON object and the arrays that came with it."""

    header: dict[str, Any]
    arrays: tuple[Array, ...] = ()


class Deadline:
    """A moment by which a frame must have been sent or received whole."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left. Raises DeadlineError if there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            extension = self.more()
            self.ends += extension - left
            left = extension
        if left <= 0:
            raise DeadlineError
        return left

    def more(self) -> float:
        """Seconds to add when the time is up."""
        return 0.0


def send(connection: socket.socket, message: Message, deadline: Deadline | None = None) -> None:
    """Write one frame before `deadline`. Raises WireError over the limits, else as `receive`."""
    listing = [[array.dtype, list(array.shape)] for array in message.arrays]
    text = _ENCODER.encode({**message.header, "arrays": listing}).encode()
    payload = b"".join(array.data for array in message.arrays)
    if len(text) > HEADER_LIMIT or len(payload) > PAYLOAD_LIMIT:
        raise WireError(f"a frame of {len(text)} + {len(payload)} bytes is over the limits")
    connection.settimeout(None if deadline is None else deadline.remaining())
    try:
        connection.sendall(_PREFIX.pack(len(text), len(payload)) + text + payload)
    except TimeoutError as error:
        raise DeadlineError from error
    except OSError as error:
        raise ClosedError from error


def receive(connection: socket.socket, deadline: Deadline | None) -> Message:
    """Read one frame before `deadline`; None waits for ever.

    Raises WireError, DeadlineError or ClosedError. After any of these the connection is useless.
    """
    header_length, payload_length = _PREFIX.unpack(_read(connection, _PREFIX.size, deadline))
    if header_length > HEADER_LIMIT or payload_length > PAYLOAD_LIMIT:
        raise WireError(f"a frame claims {header_length} + {payload_length} bytes")
    rest = _read(connection, header_length + payload_length, deadline)
    header = parse(rest[:header_length])
    shapes = _shapes(header.pop("arrays", None))
    return Message(header, _cut(rest[header_length:], shapes))


def _read(connection: socket.socket, count: int, deadline: Deadline | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        connection.settimeout(None if deadline is None else deadline.remaining())
        try:
            part = connection.recv(min(_CHUNK, count - len(parts)))
        except TimeoutError:
            continue  # the deadline says whether to go on
        except OSError as error:
            raise ClosedError from error
        if not part:
            raise ClosedError
        parts += part
    return bytes(parts)


def parse(text: bytes) -> dict[str, Any]:
    """A JSON object. Raises WireError if it is none."""
    try:
        header = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise WireError("the header is not a JSON object")
    return header


def _shapes(listing: object) -> list[tuple[str, tuple[int, ...]]]:
    if not isinstance(listing, list) or len(listing) > MAX_ARRAYS:
        raise WireError("the header does not list its arrays")
    return [_shape(entry) for entry in listing]


def _shape(entry: object) -> tuple[str, tuple[int, ...]]:
    if not (isinstance(entry, list) and len(entry) == 2):
        raise WireError("an array is not described by [dtype, shape]")
    dtype, shape = entry
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise WireError("an array has a dtype that is not allowed")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise WireError("an array has a shape that is not allowed")
    # bool is an int to isinstance; type() is not fooled.
    if not all(type(size) is int and 0 <= size <= PAYLOAD_LIMIT for size in shape):
        raise WireError("an array has a size that is not allowed")
    # Of no bytes at all, too: what makes lists of it makes as many as the other axes say.
    if math.prod(max(1, size) for size in shape) > PAYLOAD_LIMIT:
        raise WireError("an array has a shape that is not allowed")
    return dtype, tuple(shape)


def _cut(payload: bytes, shapes: list[tuple[str, tuple[int, ...]]]) -> tuple[Array, ...]:
    arrays = []
    start = 0
    for dtype, shape in shapes:
        end = start + ITEM_SIZES[dtype] * math.prod(shape)
        if end > len(payload):
            raise WireError("the arrays are longer than the payload")
        arrays.append(Array(dtype, shape, payload[start:end]))
        start = end
    if start != len(payload):
        raise WireError("the payload is longer than its arrays")
    return tuple(arrays)
