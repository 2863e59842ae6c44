"""Forms of a GPT-2 that a model's own modules let be set: its GELU, its epsilon, a tied head."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from lab.errors import LabError
from lab.presets import Recipe

_APPROXIMATE = {"gelu": "none", "gelu_new": "tanh"}


def can_be_set(model: nn.Module, form: str, value: object) -> bool:
    """Whether a model has modules in which this form is another, and can be set."""
    return any(
        getattr(module, name) != wanted for module, name, wanted in _places(model, form, value)
    )


def settle(model: nn.Module, recipe: Recipe, vocab_size: int) -> None:
    """Give the model the forms of its recipe. Raises LabError for one that it has no place for."""
    if recipe.activation != "own":
        _set(model, "activation", recipe.activation, "nn.GELU")
    if recipe.layer_norm_epsilon:
        _set(model, "layer_norm_epsilon", recipe.layer_norm_epsilon, "nn.LayerNorm")
    if recipe.tied_head == "no":
        _untie(model, vocab_size)
    elif recipe.tied_head == "yes":
        _tie(model, vocab_size)


def _set(model: nn.Module, form: str, value: object, kind: str) -> None:
    places = list(_places(model, form, value))
    if not places:
        raise LabError(
            f"{form}={value} needs modules {kind}, of which the submission's model has none"
        )
    for module, name, wanted in places:
        setattr(module, name, wanted)


def _places(model: nn.Module, form: str, value: object) -> Iterator[tuple[nn.Module, str, object]]:
    """The modules that have this form, their attribute for it, and what that has to be."""
    for module in model.modules():
        if form == "activation" and isinstance(module, nn.GELU):
            yield module, "approximate", _APPROXIMATE[str(value)]
        elif form == "layer_norm_epsilon" and isinstance(getattr(module, "eps", None), float):
            yield module, "eps", value


def _owners(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """Each place of each parameter: module, name in it, parameter."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            yield module, name, parameter


def _embedding(model: nn.Module, vocab_size: int) -> nn.Embedding | None:
    """Of the tokens: the first with so many rows."""
    found = (module for module in model.modules() if isinstance(module, nn.Embedding))
    return next((module for module in found if module.num_embeddings == vocab_size), None)


def _untie(model: nn.Module, vocab_size: int) -> None:
    """Let a head that shares the token embedding have a copy of its own."""
    embedding = _embedding(model, vocab_size)
    if embedding is None:
        return
    for module, name, parameter in list(_owners(model)):
        if parameter is embedding.weight and module is not embedding:
            setattr(module, name, nn.Parameter(parameter.detach().clone()))
    if not list(head_places(model, *embedding.weight.shape)):
        raise LabError(
            "tied_head=no: the submission's GPT2 has no head of its own, such as an nn.Linear"
        )


def _tie(model: nn.Module, vocab_size: int) -> None:
    embedding = _embedding(model, vocab_size)
    if embedding is None:
        raise LabError("tied_head=yes: the submission's GPT2 has no nn.Embedding to tie a head to")
    for module, name, parameter in list(_owners(model)):
        if module is not embedding and parameter.shape == embedding.weight.shape:
            setattr(module, name, embedding.weight)
            return
    raise LabError("tied_head=yes: the submission's GPT2 has no head that fits its nn.Embedding")


def head_places(model: nn.Module, vocab_size: int, embed_dim: int) -> Iterator[nn.Parameter]:
    """Parameters that may be a head's, the likely ones first; the token embedding is none."""
    embedding = _embedding(model, vocab_size)
    weight = None if embedding is None else embedding.weight
    shapes = ((vocab_size, embed_dim), (embed_dim, vocab_size))
    found = [
        (module, parameter)
        for module, _, parameter in _owners(model)
        if tuple(parameter.shape) in shapes and parameter is not weight
    ]
    found.sort(key=lambda place: not isinstance(place[0], nn.Linear))
    yield from (parameter for _, parameter in found)


@torch.no_grad()
def put_head(place: nn.Parameter, head: torch.Tensor) -> None:
    """Write a head (V, C) to where it is kept, which may be as (C, V)."""
    place.copy_(head if place.shape == head.shape else head.T)
