"""Takes torch's ready-made Transformers away from a submission that is to write its own.

What is not there cannot be reached by another name, in a thread, from a script of TorchScript's, or
as a copy of its code: the functions get other code and the operators other kernels, for this
process. The texts of these functions cannot be read either, see `grader.sandbox.worker.reach`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

EVENT = "grader.ready_made"
_OPERATORS = (
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
)
_LAYERS = (
    nn.MultiheadAttention,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
)
# By which TorchScript comes from bytes, whatever was compiled into them.
_FROM_BYTES = ("import_ir_module", "import_ir_module_from_buffer")
_LIBRARY: list[Any] = []


def prepare() -> None:
    """Put other kernels into torch's dispatcher: once, before any fork."""
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]  # torch's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of each kernel that is replaced
        for name in _OPERATORS:
            kernel = partial(_used, name)
            library.impl(name, kernel, "CPU")  # type: ignore[no-untyped-call]  # torch's
    _LIBRARY.append(library)


def allow() -> None:
    """Put the operators' own kernels back."""
    while _LIBRARY:
        _LIBRARY.pop()._destroy()


def take_away() -> None:
    """Leave nothing of the functions but their names."""
    for function in _functions():
        name = function.__name__
        function.__code__ = _gone.__code__.replace(co_name=name)
    for name in _FROM_BYTES:
        setattr(torch._C, name, partial(_used, name))


def _functions() -> Iterator[FunctionType]:
    for function in vars(F).values():
        if getattr(function, "__name__", "") == "multi_head_attention_forward":
            yield function
    for layer in _LAYERS:
        for name, item in vars(layer).items():
            if isinstance(item, FunctionType) and (name == "forward" or name.startswith("_sa")):
                yield item


def _used(name: str, *arguments: Any, **options: Any) -> Any:
    sys.audit(EVENT, name)
    raise RuntimeError(f"a submission may not use torch's {name}")


def _gone(*arguments: object, **options: object) -> Callable[..., object]:
    # In any function's place, so that no name from around it is known here.
    import sys

    name = sys._getframe().f_code.co_name
    sys.audit("grader.ready_made", name)
    raise RuntimeError(f"a submission may not use torch's {name}")
