"""Checkpoints that the submission reads into its models: given, held, and changed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import tensors
from grader.sandbox.worker.shared import Questions, Shared


class Checkpoints:
    """Answers about checkpoints.

    objects: what lives here, by "kind:number"; functions: the submission's.
    """

    def __init__(self, objects: dict[str, Any], functions: Mapping[str, Any]) -> None:
        self._objects = objects
        self._functions = functions
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "load_variables": self.load_variables,
            "spoil_variables": self.spoil_variables,
        }

    def load_variables(
        self,
        arrays: tuple[wire.Array, ...],
        name: str,
        model: str,
        names: list[str],
        place: str,
        filled: float | None,
    ) -> wire.Message:
        """Call a function with a held model and with variables, which stay held.

        place: where they are held; if there are some, these are given again.
        """
        if place not in self._objects:
            variables = dict(zip(names, map(tensors.decode, arrays), strict=True))
            self._objects[place] = variables, list(variables.values())
        return load(self._functions[name], self._objects[model], self._objects[place][0], filled)

    def spoil_variables(self, arrays: tuple[wire.Array, ...], place: str) -> wire.Message:
        """What held variables are, before they are spoiled."""
        return spoil(*self._objects[place])


def load(
    target: Callable[..., Any],
    model: Any,
    variables: dict[str, torch.Tensor],
    filled: float | None,
) -> wire.Message:
    """Call a function of the submission with a model and variables by name.

    filled: what all weights of the model are set to before. A ValueError is told of as such: it is
    what the function is asked to raise.
    """
    assert isinstance(model, nn.Module)
    torch.set_grad_enabled(True)
    if filled is not None:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.detach().fill_(filled)
    modes = [module.training for module in model.modules()]
    dtypes = {name: parameter.dtype for name, parameter in model.named_parameters()}
    ties = _places(model)
    refused = None
    try:
        target(model, variables)
    except ValueError as error:
        refused = str(error)[:4000]
    after = {name: parameter.dtype for name, parameter in model.named_parameters()}
    number = {name: n for n, names in enumerate(_places(model)) for name in names}
    facts = {
        "refused": refused,
        "train_mode_unchanged": modes == [module.training for module in model.modules()],
        "dtypes_kept": all(after.get(name, dtype) == dtype for name, dtype in dtypes.items()),
        "recording": torch.is_grad_enabled(),
        "ties_kept": all(len({number[n] for n in tied if n in number}) <= 1 for tied in ties),
    }
    torch.set_grad_enabled(True)
    return wire.Message(facts)


def _places(model: nn.Module) -> list[list[str]]:
    """The names of each parameter: several where it is in several places."""
    found: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(parameter), []).append(name)
    return list(found.values())


def spoil(variables: dict[Any, Any], given: list[torch.Tensor]) -> wire.Message:
    """Names and values of variables as they are, and which of them record gradients; afterwards
    those that were `given` are all zero.

    The two differ where the submission has put others in their places.
    """
    kept = {
        str(name)[:300]: value
        for name, value in variables.items()
        if tensors.unsendable([value]) is None
    }
    facts = {"names": list(kept), "recording": [n for n in kept if kept[n].requires_grad]}
    message = wire.Message(facts, tuple(map(tensors.encode, kept.values())))
    for value in given:
        value.detach().zero_()
    return message


def questions(shared: Shared) -> Questions:
    """What is asked of a worker for this exercise alone."""
    return Checkpoints(shared.objects, shared.functions).questions
