"""What goes to a function in a worker, and what comes back, as Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from grader.sandbox.client.worker import Values

MAX_ITEMS = 4000  # of tuples, lists and dicts, all together: a worker tells no more
_MOST_INTEGERS = 1 << 21  # in lists of an answer, each of which takes 40 bytes
_MOST_BYTES = 1 << 24  # in texts of an answer
_SHORT = 100  # characters of what is a name rather than a text


@dataclass(frozen=True)
class Generator:
    """A torch.Generator with this seed."""

    seed: int


@dataclass(frozen=True)
class Scripted:
    """A model with known logits, to be made in the worker. traced: with a fifth array, by which
    its logits tell how it is used.
    """

    arrays: Sequence[Values]
    decay: float
    train: bool = False

    @property
    def traced(self) -> bool:
        """Whether its logits tell how it is used."""
        return len(self.arrays) > 4


@dataclass(frozen=True)
class NumPy:
    """An array that arrives as NumPy's, where others arrive as tensors."""

    values: Values


@dataclass(frozen=True)
class Merges:
    """Pairs of bytes that arrive as list[tuple[bytes, bytes]]: two arrays, however many."""

    pairs: Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class RemoteRef:
    """Something that lives in a worker. place: its kind and number; worker: in which one."""

    place: str
    worker: object


@dataclass(frozen=True)
class Unknown:
    """What came back and is none of the values that can be told. type: the name of its type."""

    type: str


@dataclass(frozen=True)
class Own:
    """What the submission calls so: a function or a class."""

    name: str


class Packer:
    """Puts values into the wire's words.

    arrays: the numbers in them, to be sent beside; uses: what of them lives in a worker; own: names
    of what the submission has to have.
    """

    def __init__(self) -> None:
        self.arrays: list[Values] = []
        self.uses: list[RemoteRef] = []
        self.own: list[str] = []

    def pack(self, value: object) -> dict[str, Any]:
        """The word for None, a bool, int, float, str, bytes, a NumPy array (which arrives as a
        tensor), `NumPy`, `Scripted`, `Generator`, `Merges`, `Own`, `RemoteRef`, or lists, tuples
        and dicts of these.
        """
        if isinstance(value, RemoteRef):
            self.uses.append(value)
            return {"object": value.place}
        if isinstance(value, Own):
            self.own.append(value.name)
            return {"object": f"own:{value.name}"}
        if isinstance(value, Generator):
            return {"generator": value.seed}
        if isinstance(value, Scripted):
            indices = [self.add(values) for values in value.arrays]
            return {"script": {"arrays": indices, "decay": value.decay, "train": value.train}}
        if isinstance(value, NumPy):
            return {"numpy": self.add(value.values)}
        if isinstance(value, Merges):
            parts = list(chain.from_iterable(value.pairs))
            lengths = np.fromiter(map(len, parts), np.int64, len(parts))
            return {"merges": [self._raw(b"".join(parts)), self.add(lengths)]}
        if isinstance(value, np.ndarray):
            return {"array": self.add(value)}
        if isinstance(value, float):
            return {"float": value.hex()}
        if isinstance(value, str) and len(value) <= _SHORT and value.isascii():
            return {"value": value}
        if isinstance(value, str):
            return {"text": self._raw(value.encode("utf-8", "surrogatepass"))}
        if isinstance(value, bytes):
            return {"bytes": self._raw(value)}
        if isinstance(value, Mapping):
            return {"dict": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        if isinstance(value, list) and value and all(type(item) is int for item in value):
            return {"ints": self.add(np.array(value, dtype=np.int64))}
        if isinstance(value, list | tuple):
            return {type(value).__name__: [self.pack(item) for item in value]}
        return {"value": value}

    def add(self, values: Values) -> int:
        """Send these beside; the index under which they arrive."""
        self.arrays.append(values)
        return len(self.arrays) - 1

    def _raw(self, data: bytes) -> int:
        return self.add(np.frombuffer(data, np.uint8))


class Unpacker:
    """Makes the values that a worker described: tensors as read-only arrays, objects as `Unknown`.

    Each of the arrays that came counts once, so that a short answer cannot make long values.
    """

    def __init__(self, arrays: Sequence[Values]) -> None:
        self._left = dict(enumerate(arrays))
        self._items = 0
        self._size = 0

    def unpack(self, item: Any) -> Any:
        """One value. Raises some Exception for what makes no sense: see `decoding`."""
        self._items += 1
        if self._items > MAX_ITEMS:
            raise ValueError("too many values")
        ((kind, what),) = item.items()
        if kind == "value":
            if what is not None and type(what) not in (bool, int):
                raise ValueError("a plain value of another type")
            return what
        if kind == "float":
            return float.fromhex(what)
        if kind == "tensor":
            return self._left.pop(what)
        if kind in ("text", "bytes"):
            data = self._raw(what, np.uint8, _MOST_BYTES).tobytes()
            return data.decode("utf-8", "surrogatepass") if kind == "text" else data
        if kind == "ints":
            name, index = what
            numbers = self._raw(index, np.int64, _MOST_INTEGERS).tolist()
            return {"list": list, "tuple": tuple}[name](numbers)
        if kind == "dict":
            return {self.unpack(key): self.unpack(value) for key, value in what}
        if kind == "object":
            return Unknown(str(what)[:200])
        return {"list": list, "tuple": tuple}[kind](self.unpack(value) for value in what)

    def _raw(self, index: int, dtype: type, most: int) -> Values:
        """Numbers in a row, of which Python makes larger things."""
        array = self._left.pop(index)
        self._size += array.size
        if array.ndim != 1 or array.dtype != dtype or self._size > most:
            raise ValueError("not numbers in a row, or too many")
        return array


def helping(
    target: str, args: Sequence[object], given: Mapping[str, object]
) -> tuple[dict[str, Any], Packer]:
    """A call of one of the grader's functions in a worker: the header, and what goes with it."""
    packer = Packer()
    header = {
        "target": target,
        "args": [packer.pack(value) for value in args],
        "given": [[key, packer.pack(value)] for key, value in given.items()],
        "keep": None,
    }
    return header, packer


def unpacked(item: Any, arrays: Sequence[Values]) -> Any:
    """The one value that a worker described. Raises some Exception for what makes no sense."""
    return Unpacker(arrays).unpack(item)


def arrays(value: Any, count: int | None = None) -> list[Values]:
    """So many arrays, or any number. Raises ValueError for anything else: see `decoding`."""
    if not isinstance(value, list | tuple) or not all(isinstance(v, np.ndarray) for v in value):
        raise ValueError("not a list of arrays")
    if count is not None and len(value) != count:
        raise ValueError(f"{len(value)} arrays, not {count}")
    return list(value)


def words(value: object) -> str:
    """What a value is, in few words for a candidate."""
    if isinstance(value, np.ndarray):
        return f"a tensor of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, Unknown):
        return f"an object of type {value.type}"
    if isinstance(value, list | tuple):
        inside = ", ".join(
            "Tensor" if isinstance(item, np.ndarray) else type(item).__name__ for item in value[:5]
        )
        return f"a {type(value).__name__} ({inside})"
    if value is None:
        return "None"
    return f"a {type(value).__name__}"
