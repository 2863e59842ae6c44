"""Which torch functions a forward calls, and whether it would run on another device.

Testimony of the worker: the parent takes it for remarks and for lowering a score, never else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

_MAX_NAMES = 500


class Recorder(TorchFunctionMode):
    """Notes the names of functions, and where a tensor made on the CPU meets the model's own.

    home: the data pointers of tensors that are known to stay on the CPU whatever the model does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.stranded: dict[str, None] = {}
        self._home: dict[int, torch.Tensor] = {}

    def keep_home(self, tensor: torch.Tensor) -> None:
        """Note a tensor that would not move with the model."""
        self._home[id(tensor)] = tensor

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = str(resolve_name(func) or getattr(func, "__name__", "?"))[:100]
        self.names[name] = None
        result = func(*args, **kwargs)
        self._follow(name, (args, kwargs), kwargs, result)
        return result

    def _follow(self, name: str, given: Any, kwargs: dict[str, Any], result: Any) -> None:
        tensors = [item for item in pytree.tree_leaves(given) if isinstance(item, torch.Tensor)]
        home = [tensor for tensor in tensors if id(tensor) in self._home]
        moves = name.rsplit(".", 1)[-1] in ("to", "type_as", "cuda", "__get__", "new_tensor")
        if moves or "device" in kwargs:
            return
        if any(tensor.ndim for tensor in home) and len(home) < len(tensors):
            self.stranded[name] = None
        elif len(home) == len(tensors) and isinstance(result, torch.Tensor):
            self.keep_home(result)


def run(module: nn.Module, x: torch.Tensor) -> tuple[list[str], list[str]]:
    """Names of the functions that one forward calls, and of those that would mix devices."""
    recorder = Recorder()
    for child in module.modules():
        for value in vars(child).values():
            if isinstance(value, torch.Tensor):  # neither a buffer nor a parameter
                recorder.keep_home(value)
    with torch.no_grad(), recorder:
        module.eval()(x)
    return list(recorder.names)[:_MAX_NAMES], list(recorder.stranded)[:_MAX_NAMES]
