"""torch.compile for the steps of training, and for them alone.

Measuring and writing come in other modes and lengths, each of which would be compiled anew.
"""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from typing import Any

import torch
from torch import nn

from lab.errors import LabError


def pays(wanted: str, device: torch.device) -> bool:
    """Whether the model goes through torch.compile. Raises LabError if it must and cannot.

    On a CPU it must be asked for: the first call takes 14 s on two cores (2 s if the same has been
    compiled before), and what an iteration of `cpu-fast` gains lies between nothing and a fifth.
    """
    if wanted == "on" and device.type == "cpu" and not _has_compiler():
        raise LabError(
            "compile=on needs a C++ compiler on a CPU, and there is neither g++ nor clang++ here: "
            "install one, or use --set compile=auto"
        )
    return wanted == "on" or (wanted == "auto" and device.type == "cuda")


def _has_compiler() -> bool:
    names = (os.environ.get("CXX"), "g++", "clang++")
    return any(name and shutil.which(name) for name in names)


def use_compiler(model: nn.Module, device: torch.device) -> None:
    """Let the model compute by compiled code while it is trained.

    On a CPU it is block by block: those of a GPT-2 are alike, so what takes a minute for all of
    them takes a third of that for one. On a GPU more is gained by the model as a whole.
    """
    # What the processor can do, it says; to try it by compiling for each kind takes another 7 s.
    os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
    # Where the compiler fails, torch says so and goes on without it.
    dynamo = import_module("torch._dynamo")
    dynamo.config.suppress_errors = True
    whole: list[Any] = [model]
    modules: list[Any] = (_blocks(model) or whole) if device.type == "cpu" else whole
    for module in modules:
        # On the instance: parameters, their names and the class stay the submission's.
        module.forward = _Forward(module)


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The first modules that stand in a list with others of their class."""
    for holder in model.modules():
        if isinstance(holder, nn.ModuleList | nn.Sequential):
            modules = list(holder)
            if len(modules) > 1 and len({type(module) for module in modules}) == 1:
                return modules
    return []


class _Forward:
    """What stands in for a module's forward."""

    def __init__(self, module: nn.Module) -> None:
        self._of = module
        self._plain = module.forward
        self._compiled = torch.compile(module.forward)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Whatever the module takes and gives."""
        trained = self._of.training and torch.is_grad_enabled()
        return (self._compiled if trained else self._plain)(*inputs, **named)
