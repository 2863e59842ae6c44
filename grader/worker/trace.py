"""Which torch functions a forward calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.names[str(resolve_name(func) or getattr(func, "__name__", "?"))[:100]] = None
        return func(*args, **(kwargs or {}))


def functions(module: nn.Module, x: torch.Tensor, device: str) -> list[str]:
    """Names such as "torch.nn.functional.softmax", in the order of first use."""
    with torch.no_grad(), _Recorder() as recorder:
        module.eval().to(device)(x.to(device))
    return list(recorder.names)[:500]
