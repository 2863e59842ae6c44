"""Tensors to wire arrays and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from grader.wire import ITEM_SIZES, PAYLOAD_LIMIT, Array

_DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
    "uint8": torch.uint8,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_TENSORS = (torch.Tensor, torch.nn.Parameter)


def decode(array: Array) -> torch.Tensor:
    """A contiguous CPU tensor with an array's values, sharing nothing."""
    flat = torch.frombuffer(bytearray(array.data or bytes(8)), dtype=_DTYPES[array.dtype])
    return flat[: len(array.data) // ITEM_SIZES[array.dtype]].reshape(array.shape).contiguous()


def encode(tensor: torch.Tensor) -> Array:
    """The values of a tensor that `unsendable` has nothing against."""
    plain = tensor.detach().cpu().contiguous()
    return Array(_NAMES[plain.dtype], tuple(plain.shape), plain.numpy().tobytes())


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
