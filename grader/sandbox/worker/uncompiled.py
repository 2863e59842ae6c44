"""torch without its compiler: that needs a C compiler, seconds, and files to write.

What is compiled computes the same. torch's optimizers import the compiler (`torch._dynamo`), which
takes longer than importing torch, only to tell it where it need not look.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import FunctionType, ModuleType
from typing import Any, cast

import torch

_NAME = "torch._dynamo"


def install() -> None:
    """Let `torch.compile` leave things as they are, and optimizers do without the compiler."""
    _put_in_place(torch.compile, _compile())
    put_off()


def _put_in_place(function: Any, other: FunctionType) -> None:
    """Let a function do what the other one does, and look as it did: it is not known by that."""
    code = function.__code__
    function.__code__ = other.__code__.replace(
        co_filename=code.co_filename, co_firstlineno=code.co_firstlineno
    )


def _compile() -> FunctionType:
    """What leaves things as they are, with the parameters of `torch.compile`."""
    given = inspect.signature(torch.compile).parameters.values()
    bare = inspect.Signature(
        [
            p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None)
            for p in given
        ]
    )
    (model,) = (p.name for p in given if p.kind is p.POSITIONAL_OR_KEYWORD)
    text = f"def compile{bare}:\n return {model} if {model} is not None else (lambda later: later)"
    made: dict[str, Any] = {}
    exec(text, made)  # torch's own names of parameters, whichever they are
    return cast(FunctionType, made["compile"])


def put_off() -> None:
    """Let optimizers do without the compiler; whoever wants it gets it."""
    if _NAME not in sys.modules:
        sys.modules[_NAME] = torch._dynamo = _Absent(_NAME)


def _not_compiled(model: Any = None, **options: Any) -> Any:
    """`torch.compile(model)` and `@torch.compile(…)` that leave things as they are."""
    return model if model is not None else lambda later: later


class _Absent(ModuleType):
    """What optimizers call of `torch._dynamo`. Whoever asks it for more gets the real one."""

    def graph_break(self, *given: Any, **named: Any) -> None:
        """Nothing is recorded that could be broken off."""

    def disable(self, function: Any = None, *given: Any, **named: Any) -> Any:
        """The function as it is, or what gives it so as a decorator."""
        return _not_compiled(function)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        if sys.modules.get(_NAME) is self:
            del sys.modules[_NAME]
        return getattr(importlib.import_module(_NAME), name)
