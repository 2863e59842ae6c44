"""Tensors to wire arrays and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from grader.sandbox.wire import PAYLOAD_LIMIT, Array

_NAMES = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.int64: "int64",
    torch.bool: "bool",
    torch.uint8: "uint8",
}
# What the wire has not, and what has all its values.
_WIDER = {
    **dict.fromkeys((torch.float16, torch.bfloat16), torch.float32),
    **dict.fromkeys((torch.int8, torch.int16, torch.int32), torch.int64),
}
_TENSORS = (torch.Tensor, torch.nn.Parameter)


class UnsendableError(Exception):
    """A value that the parent cannot be told. found: what it is, in words for the candidate."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__(found)
        self.found = found


def decode(array: Array) -> torch.Tensor:
    """A contiguous CPU tensor with an array's values, sharing nothing."""
    values = np.frombuffer(bytearray(array.data), dtype=array.dtype)
    return torch.from_numpy(values.reshape(array.shape))


def encode(tensor: torch.Tensor) -> Array:
    """The values of a tensor that `unsendable` has nothing against, or of a parameter or gradient:
    these may be sparse, and of a dtype of which the wire has a wider one.
    """
    values = plain(tensor)
    return Array(_NAMES[values.dtype], tuple(values.shape), values.numpy().tobytes())


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """The same as a tensor that can be told."""
    plain = tensor.detach()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    wide = plain.to(_WIDER.get(plain.dtype, plain.dtype))
    if wide.dtype not in _NAMES:
        raise TypeError(f"a tensor has dtype {wide.dtype}, expected float32")
    return torch.from_numpy(wide.numpy(force=True))


def expect_whole(named: Sequence[tuple[str, bool]], values: Sequence[torch.Tensor]) -> None:
    """Raise UnsendableError for weights that are trained in less than float32."""
    for (name, trained), value in zip(named, values, strict=True):
        if trained and value.dtype in (torch.float16, torch.bfloat16):
            found = f"the parameter {name} of dtype {value.dtype}"
            raise UnsendableError({"found": found, "dtype": True})


def expect_plain(outputs: Sequence[object]) -> None:
    """Raise UnsendableError unless these are plain tensors that fit the wire."""
    problem = unsendable(outputs)
    if problem is not None:
        raise UnsendableError(problem)


def unsendable(outputs: Sequence[object]) -> dict[str, Any] | None:
    """Why these are not plain tensors that fit the wire, in words for the candidate, or None."""
    size = 0
    for output in outputs:
        if all(type(output) is not kind for kind in _TENSORS):
            return {"found": _kind(output)}
        assert isinstance(output, torch.Tensor)
        if output.dtype not in _NAMES:
            return {"found": f"one of dtype {output.dtype}", "dtype": True}
        if output.layout != torch.strided or output.device.type == "meta":
            return {"found": f"a {output.layout} tensor on {output.device}"}
        size += output.numel() * output.element_size()
    if size > PAYLOAD_LIMIT:
        return {"found": f"{size} bytes of output"}
    return None


def _kind(output: object) -> str:
    if isinstance(output, tuple | list):
        inside = ", ".join(type(item).__name__ for item in output[:5])
        return f"a {type(output).__name__} ({inside})"
    return "None" if output is None else f"an object of type {type(output).__name__}"
