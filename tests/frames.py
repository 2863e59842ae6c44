"""Frames as a worker that is not to be trusted might send them."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from grader.sandbox import wire
from grader.sandbox.client.worker import pack

_DTYPES = tuple(wire.ITEM_SIZES)
_SHAPES = ([], [1], [2], [3], [5], [2, 3], [3, 2], [0], [0, 3], [1, 2, 3], [2, 3, 4], [1] * 8, [6])
_ODD_SHAPES = ([1 << 26, 0], [0, 1 << 26, 1 << 26], [1 << 26, 1 << 26, 1 << 26, 0], [-1], [True])
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, -0.0),
    *("", "x", "0x1p99999", "nan", "inf", "0x1p-1", "error", "list", "\ud800", "a|b+c", "é" * 400),
    *([], {}, [[]], {"": 0}, [None] * 3, [0, 1], ["list", 0], [["a", True]]),
)
_KINDS = ("value", "float", "tensor", "text", "bytes", "ints", "dict", "object", "list", "tuple")
_KEYS = (
    *(
        "value",
        "values",
        "seconds",
        "after",
        "recorded",
        "train_mode_unchanged",
        "flags_kept",
        "gradients",
    ),
    *(
        "rng_unchanged",
        "recording_kept",
        "device_mismatches",
        "classes",
        "failed",
        "functions",
        "present",
    ),
    *("work", "calls", "train", "learning", "kind", "gradient", "kept", "ways", "outside", "born"),
    *("called", "longest", "counts", "trained", "refused", "dtypes_kept", "recording", "names"),
    *("ties_kept", "printed", "raised", "works", "mechanisms", "unsendable", "error", "attempt"),
    *("late", "place", "missing", "aside", "facts"),
)


class Sender:
    """Makes frames: mostly well formed, of odd things in odd places."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def anything(self, depth: int = 0) -> Any:
        """Some JSON."""
        roll = self._chance.random()
        if roll < 0.35 or depth > 3:
            return self._chance.choice(_ODD)
        if roll < 0.6:
            return self.item(depth)
        if roll < 0.8:
            return [self.anything(depth + 1) for _ in range(self._chance.randrange(5))]
        return {self._chance.choice(_KEYS): self.anything(depth + 1) for _ in range(2)}

    def item(self, depth: int) -> dict[str, Any]:
        """What stands for a value, or nearly so."""
        index: Any = self._chance.choice((0, 0, 1, 2, 7, -1, "0", None))
        kind = self._chance.choice(_KINDS)
        insides: dict[str, Any] = {
            "ints": [self._chance.choice(("list", "tuple", "set", 0)), index],
            "float": self._chance.choice(("0x1p0", "0x1p99999", "nan", 1, None)),
            "list": [self.anything(depth + 1) for _ in range(3)],
            "tuple": [self.item(depth + 1) for _ in range(3) if depth < 3],
            "dict": [[self.item(depth + 1), self.item(depth + 1)] for _ in range(2) if depth < 3],
        }
        return {kind: insides.get(kind, index)}

    def header(self) -> Any:
        """Of an answer."""
        if self._chance.random() < 0.02:
            return self.anything()
        keys = self._chance.sample(_KEYS, self._chance.randrange(12))
        # What only reports a fault ends each reading at once: seldom.
        faults = ("unsendable", "error", "attempt", "late")
        seldom = self._chance.random() < 0.1
        return {key: self.anything() for key in keys if seldom or key not in faults}

    def arrays(self) -> tuple[list[Any], bytes]:
        """A listing of arrays, and their bytes."""
        listing, payload = [], b""
        for _ in range(self._chance.randrange(7)):
            dtype = self._chance.choice(_DTYPES)
            odd = self._chance.random() < 0.03
            shape = list(self._chance.choice(_ODD_SHAPES if odd else _SHAPES))
            listing.append([dtype, shape])
            size = 0 if odd else int(np.prod(shape, dtype=int)) * wire.ITEM_SIZES[dtype]
            payload += self._chance.randbytes(size)
        return listing, payload

    def frame(self, valid: dict[str, Any], values: list[np.ndarray]) -> bytes:
        """A right answer with something else in some place, or one that never was right."""
        header, (listing, payload) = self.header(), self.arrays()
        if valid and isinstance(header, dict) and self._chance.random() < 0.6:
            header = {**header, **valid}
            if self._chance.random() < 0.6:
                header[self._chance.choice(list(valid))] = self.anything()
        if self._chance.random() < 0.5:
            right = [pack(value) for value in values]
            if right and self._chance.random() < 0.5:
                right.pop(self._chance.randrange(len(right)))
            listing = [[array.dtype, list(array.shape)] for array in right]
            payload = b"".join(array.data for array in right)
        if isinstance(header, dict) and self._chance.random() < 0.99:
            header = {**header, "arrays": listing}
        text = json.dumps(header).encode()
        if self._chance.random() < 0.01:
            text = text[: len(text) // 2]
        return struct.pack("<II", len(text), len(payload)) + text + payload


def told(value: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The answer that is this value, as a worker tells it."""
    arrays: list[np.ndarray] = []

    def tell(value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray):
            arrays.append(value)
            return {"tensor": len(arrays) - 1}
        if isinstance(value, float):
            return {"float": value.hex()}
        if isinstance(value, str):
            arrays.append(np.frombuffer(value.encode(), np.uint8))
            return {"text": len(arrays) - 1}
        if isinstance(value, list) and value and all(type(item) is int for item in value):
            arrays.append(np.array(value))
            return {"ints": ["list", len(arrays) - 1]}
        if isinstance(value, list | tuple):
            return {type(value).__name__: [tell(item) for item in value]}
        if isinstance(value, Mapping):
            return {"dict": [[tell(key), tell(item)] for key, item in value.items()]}
        return {"value": value}

    return {"value": tell(value)}, arrays
