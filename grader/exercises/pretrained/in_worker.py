"""Checkpoints that the submission reads into its models: given, held, and changed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from grader.sandbox.worker import tensors

# Variables by their names, and the same as they were given.
Held = tuple[dict[Any, torch.Tensor], list[torch.Tensor]]


def hold(variables: dict[str, torch.Tensor]) -> Held:
    """Variables to be given, once or again, and looked at afterwards."""
    return variables, list(variables.values())


def load(
    target: Callable[..., Any],
    model: Any,
    held: Held,
    filled: float | None,
) -> dict[str, Any]:
    """What becomes of a model for which a function of the submission is given variables.

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
        target(model, held[0])
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
    return facts


def _places(model: nn.Module) -> list[list[str]]:
    """The names of each parameter: several where it is in several places."""
    found: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(parameter), []).append(name)
    return list(found.values())


def spoil(held: Held) -> dict[str, Any]:
    """Names and values of variables as they are, and which of them record gradients; afterwards
    those that were given are all zero.

    The two differ where the submission has put others in their places.
    """
    variables, given = held
    kept = {
        str(name)[:300]: value
        for name, value in variables.items()
        if tensors.unsendable([value]) is None
    }
    recording = [name for name, value in kept.items() if value.requires_grad]
    values = {name: value.detach().clone() for name, value in kept.items()}
    for value in given:
        value.detach().zero_()
    return {"values": values, "recording": recording}
