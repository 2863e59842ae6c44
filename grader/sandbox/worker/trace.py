"""Which torch functions are called, and whether that would do on another device.

Testimony of the worker: the parent takes it for remarks and for lowering a score, never else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

_MAX_NAMES = 500
_TORCH_NN = os.path.dirname(nn.__file__)
# What moves a tensor, and what takes one of another device.
_MOVES = frozenset({"to", "type_as", "cuda", "__get__", "new_tensor"})
_COPIES = frozenset({"copy_", "__setitem__"})


class Recorder(TorchFunctionMode):
    """Notes the names of functions, and where a tensor made on the CPU meets one that was given.

    modules: their tensors that are neither parameters nor buffers stay on the CPU, too.
    """

    def __init__(self, modules: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.device_mismatches: dict[str, None] = {}
        held = [value for module in modules for value in vars(module).values()]
        self._home = {id(value): value for value in held if isinstance(value, torch.Tensor)}

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
        last = name.rsplit(".", 1)[-1]
        if last in _MOVES or "device" in kwargs:
            self._home.pop(id(result), None)  # what is there already comes back as it is
            return
        if len(home) == len(tensors):
            if isinstance(result, torch.Tensor):
                self._home[id(result)] = result
            return
        indexes = last == "__getitem__" and id(tensors[0]) not in self._home
        if any(tensor.ndim for tensor in home) and last not in _COPIES and not indexes:
            self.device_mismatches[name] = None


# Ready-made attention is told by what it does, whatever a copy of it is called.
_READY_MADE = {
    function.__code__.co_code: name
    for name, function in (
        ("multi_head_attention_forward", F.multi_head_attention_forward),
        ("MultiheadAttention", nn.MultiheadAttention.forward),
        ("TransformerEncoderLayer", nn.TransformerEncoderLayer.forward),
        ("TransformerDecoderLayer", nn.TransformerDecoderLayer.forward),
    )
}


class _Profile:
    """Notes which of torch.nn's own Python functions run, and of which classes of its own."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code.co_code in _READY_MADE:
            self.names[_READY_MADE[code.co_code]] = None
        if code.co_filename.startswith(_TORCH_NN):
            self.names[code.co_name] = None
            for kind in type(frame.f_locals.get("self")).__mro__:
                if kind.__module__.startswith("torch.nn"):  # others may have any name
                    self.names[kind.__name__] = None


def run(module: nn.Module, x: torch.Tensor) -> tuple[list[str], list[str], torch.Tensor]:
    """Names of the functions that one forward calls, of those that would mix devices, and the
    output: one who computes something else while he is watched shows by that.
    """
    recorder, profile = Recorder(module.modules()), _Profile()
    module.eval()
    sys.setprofile(profile)
    try:
        with torch.no_grad(), recorder:
            output = module(x)
    finally:
        sys.setprofile(None)
    names = list({**recorder.names, **profile.names})
    return names[:_MAX_NAMES], list(recorder.device_mismatches)[:_MAX_NAMES], output
