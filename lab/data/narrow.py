"""Tokens of a large corpus: two or four bytes each in a file, int64 to whoever reads some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

_MASKS = {torch.int16: 0xFFFF, torch.int32: 0xFFFFFFFF}
# What only looks or picks: done on the file, of which nothing else is read. Anything else gets the
# whole as int64.
_PICKING = frozenset(
    (
        *("__getitem__", "__setitem__", "__len__", "narrow", "unfold", "as_strided", "select"),
        *("index_select", "take", "gather", "split", "chunk", "tensor_split", "view", "reshape"),
        *("flatten", "unsqueeze", "squeeze", "expand", "detach", "size", "numel", "dim", "stride"),
        *("contiguous", "is_contiguous", "data_ptr", "storage_offset", "untyped_storage"),
    )
)
_ATTRIBUTES = ("shape", "ndim", "device", "requires_grad", "is_cuda", "layout", "is_sparse", "grad")


class Narrow(torch.Tensor):
    """A tensor of tokens as the exercise `training` takes it, int64 (N,), but for how it is kept.

    Slices of it are views, as of any tensor; what is picked from it by indices, and whatever is
    computed with it, is an ordinary int64 tensor.
    """

    @classmethod
    def of(cls, numbers: np.ndarray[Any, Any]) -> torch.Tensor:
        """A view of uint16 or uint32 numbers, as signed ones: torch indexes no unsigned."""
        signed = numbers.view(np.int16 if numbers.dtype == np.uint16 else np.int32)
        return torch.from_numpy(signed).as_subclass(cls)

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See torch.Tensor."""
        if func is torch.Tensor.dtype.__get__:  # type: ignore[attr-defined]  # a descriptor
            return torch.int64
        picks = func.__name__ in _PICKING or _names(func) in _ATTRIBUTES
        with torch._C.DisableTorchFunctionSubclass():
            if not picks:
                args, kwargs = tree_map(_wide, (args, kwargs or {}))
                return func(*args, **kwargs)
            kept = {one.untyped_storage().data_ptr() for one in args if isinstance(one, Narrow)}
            found = func(*args, **(kwargs or {}))
            return tree_map(lambda one: _as_view(one, kept), found)


def _names(func: Any) -> str:
    """The attribute whose getter this is."""
    return getattr(getattr(func, "__self__", None), "__name__", "")


def _wide(value: Any) -> Any:
    if not isinstance(value, Narrow):
        return value
    plain = value.as_subclass(torch.Tensor)
    return plain.long() & _MASKS[plain.dtype]


def _as_view(value: Any, kept: set[int]) -> Any:
    """What a pick has given: a view of what is kept, or numbers of their own."""
    if not torch.is_tensor(value):
        return value
    narrow = value.as_subclass(Narrow)
    return narrow if value.untyped_storage().data_ptr() in kept else _wide(narrow)
