"""How many multiplications a call takes: of products of matrices, and of tensors with tensors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
# Products of matrices: (m, k) by (k, n), perhaps many at once. All their cost is in the shapes.
_PRODUCTS = {
    _aten.mm: (0, 1),
    _aten.bmm: (0, 1),
    _aten.mv: (0, 1),
    _aten.dot: (0, 1),
    _aten.addmm: (1, 2),
    _aten.addbmm: (1, 2),
    _aten.baddbmm: (1, 2),
    _aten.addmv: (1, 2),
    _aten._addmm_activation: (1, 2),
}


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has none for it
    """Counts multiplications within: of products of matrices, and of tensors with tensors."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and to make sure of it torch would import its compiler."""
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.multiplications = 0
        self.calls = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts  # it was counted as what it is made of
        result = func(*args, **kwargs)
        self.calls += 1
        self.multiplications += _multiplications(func.overloadpacket, args, kwargs, result)
        return result


def _multiplications(
    packet: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> int:
    if packet in _PRODUCTS:
        left, right = (args[i] for i in _PRODUCTS[packet])
        outer = math.prod(right.shape[-1:]) if right.ndim > 1 else 1
        return int(left.numel() * outer)
    if packet in (_aten.mul, _aten.addcmul) and isinstance(result, torch.Tensor):
        return result.numel() if result.is_floating_point() else 0
    name = packet.__name__
    if "scaled_dot_product" in name:
        query, key, value = args[:3]
        shared = query.numel() // query.shape[-1]  # batch, heads and queries
        return int(shared * key.shape[-2] * (key.shape[-1] + value.shape[-1]))
    if name in ("convolution", "mkldnn_convolution", "_convolution"):
        weight = args[1]
        return int(result.numel() * weight[0].numel())
    return 0


class CoarseWork(TorchFunctionMode):
    """Counts those that are asked for by a function that is called by name in Python.

    Beneath a dispatch mode torch cannot make some subclasses of tensors, its own CausalBias among
    them. Where a call fails there, it is counted here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multiplications = 0
        self.calls = 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        with suppress(AttributeError, IndexError, TypeError, ValueError):  # of unusual arguments
            self.multiplications += _asked(func, args)
        return result


_MATMULS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.mm, torch.bmm)


def _asked(func: Any, args: tuple[Any, ...]) -> int:
    if func is F.linear:
        return int(args[0].numel() * args[1].shape[0])
    if func in _MATMULS and args[1].ndim > 1:
        return int(args[0].numel() * args[1].shape[-1])
    if func is F.scaled_dot_product_attention and len(args) >= 3:
        query, key, value = args[:3]
        shared = query.numel() // query.shape[-1]  # batch, heads and queries
        return int(shared * key.shape[-2] * (key.shape[-1] + value.shape[-1]))
    if func is torch.einsum:
        subscripts, *operands = args
        inputs = subscripts.split("->")[0].replace(" ", "").split(",")
        sizes: dict[str, int] = {}
        for names, operand in zip(inputs, operands, strict=True):
            sizes.update(zip(names, operand.shape, strict=False))
        return math.prod(sizes.values())
    return 0


def counted(function: Callable[[], Any]) -> tuple[Any, int, float, int]:
    """What a function gives, how many multiplications that took, how many seconds, and how many
    calls of torch.
    """
    for mode in (Work, CoarseWork):
        work = mode()
        started = time.perf_counter()
        try:
            with work:
                value = function()
            return value, work.multiplications, time.perf_counter() - started, work.calls
        except Exception:
            continue  # it may be the counting that fails
    return function(), 0, 0.0, 0
