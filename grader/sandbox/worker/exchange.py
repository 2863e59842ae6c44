"""Python values to wire structures and back: what a function is given, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from grader.sandbox import wire
from grader.sandbox.worker import tensors

MAX_ITEMS = 4000  # of tuples, lists and dicts, all together
_INT64 = range(-(2**63), 2**63)


def made(item: Any, arrays: tuple[wire.Array, ...], objects: Mapping[str, Any]) -> Any:
    """The value that the parent described; see `grader.sandbox.client.exchange.Packer`.

    objects: what lives here, by "kind:number".
    """
    (kind, what) = next(iter(item.items()))
    if kind == "value":
        return what
    if kind == "float":
        return float.fromhex(what)
    if kind == "array":
        return tensors.decode(arrays[what])
    if kind == "numpy":
        array = arrays[what]
        return np.frombuffer(bytearray(array.data), dtype=array.dtype).reshape(array.shape)
    if kind == "ints":
        return tensors.decode(arrays[what]).tolist()
    if kind == "text":
        return arrays[what].data.decode("utf-8", "surrogatepass")
    if kind == "bytes":
        return arrays[what].data
    if kind == "merges":
        return _merges(*(arrays[index].data for index in what))
    if kind == "generator":
        return torch.Generator().manual_seed(what)
    if kind == "object":
        return objects[what]
    if kind == "dict":
        pairs = [(made(key, arrays, objects), made(value, arrays, objects)) for key, value in what]
        return dict(pairs)
    values = [made(value, arrays, objects) for value in what]
    return tuple(values) if kind == "tuple" else values


def _merges(data: bytes, lengths: bytes) -> list[tuple[bytes, bytes]]:
    """Pairs of bytes from one string of all of them, and the length of each."""
    ends = np.frombuffer(lengths, np.int64).cumsum().tolist()
    parts = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return list(zip(parts[::2], parts[1::2], strict=True))


def told(value: Any) -> wire.Message:
    """An answer that is this value."""
    encoder = Encoder()
    return wire.Message({"value": encoder.tell(value)}, tuple(encoder.arrays))


class Encoder:
    """Describes values for the parent. arrays: the numbers in them, to be sent beside."""

    def __init__(self) -> None:
        self.arrays: list[wire.Array] = []
        self._items = 0
        self._bytes = 0

    def tell(self, value: Any) -> dict[str, Any]:
        """What a value is. Only exact types count: a subclass may say anything of itself.

        Raises tensors.UnsendableError if it is a tensor that cannot be sent, or too much.
        """
        self._items += 1
        if self._items > MAX_ITEMS:
            raise tensors.UnsendableError({"found": f"more than {MAX_ITEMS} values in one another"})
        kind = type(value)
        if kind in (torch.Tensor, torch.nn.Parameter):
            tensors.expect_plain([value])
            return {"tensor": self._add(tensors.encode(value))}
        if value is None or kind is bool or (kind is int and value in _INT64):
            return {"value": value}
        if kind is float:
            return {"float": value.hex()}
        if kind is str:
            return {"text": self._raw(value.encode("utf-8", "surrogatepass"))}
        if kind is bytes:
            return {"bytes": self._raw(value)}
        if kind in (list, tuple):
            name = kind.__name__
            if value and all(type(item) is int and item in _INT64 for item in value):
                array = np.array(value, dtype=np.int64)
                return {
                    "ints": [name, self._add(wire.Array("int64", array.shape, array.tobytes()))]
                }
            return {name: [self.tell(item) for item in value]}
        if kind is dict and all(type(key) in (str, int, bytes) for key in value):
            return {"dict": [[self.tell(key), self.tell(item)] for key, item in value.items()]}
        return {"object": kind.__name__[:200]}

    def _raw(self, data: bytes) -> int:
        return self._add(wire.Array("uint8", (len(data),), data))

    def _add(self, array: wire.Array) -> int:
        self._bytes += len(array.data)
        if self._bytes > wire.PAYLOAD_LIMIT:
            raise tensors.UnsendableError({"found": f"{self._bytes} bytes of output"})
        self.arrays.append(array)
        return len(self.arrays) - 1
