"""Tensors to wire arrays and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from grader.wire import PAYLOAD_LIMIT, Array

_NAMES = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.int64: "int64",
    torch.bool: "bool",
    torch.uint8: "uint8",
}
_TENSORS = (torch.Tensor, torch.nn.Parameter)


def decode(array: Array) -> torch.Tensor:
    """A contiguous CPU tensor with an array's values, sharing nothing."""
    values = np.frombuffer(bytearray(array.data), dtype=array.dtype)
    return torch.from_numpy(values.reshape(array.shape))


def encode(tensor: torch.Tensor) -> Array:
    """The values of a tensor that `unsendable` has nothing against."""
    values = tensor.detach().numpy(force=True)
    return Array(_NAMES[tensor.dtype], values.shape, values.tobytes())


def unsendable(outputs: Sequence[object]) -> dict[str, str] | None:
    """Why these are not plain tensors that fit the wire, in words for the candidate, or None."""
    size = 0
    for output in outputs:
        if all(type(output) is not kind for kind in _TENSORS):
            return {"found": _kind(output)}
        assert isinstance(output, torch.Tensor)
        if output.dtype not in _NAMES:
            return {"found": f"a tensor of dtype {output.dtype}"}
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
