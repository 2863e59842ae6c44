"""Parameters that do not learn: those of the first blocks, and of the embeddings below them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from lab.errors import LabError
from lab.presets import Recipe


def freeze(model: nn.Module, recipe: Recipe, vocab_size: int) -> None:
    """Let what the recipe says stay as it is. Raises LabError where no blocks can be found."""
    if recipe.freeze == 0:
        return
    blocks = blocks_of(model, recipe.num_layers)
    if not blocks:
        raise LabError(
            f"freeze={recipe.freeze} needs a model whose {recipe.num_layers} blocks stand in an "
            "nn.ModuleList or nn.Sequential"
        )
    for block in blocks[: recipe.freeze]:
        block.requires_grad_(False)
    for table in _embeddings(model, recipe, vocab_size):
        table.requires_grad_(False)


def blocks_of(model: nn.Module, num_layers: int) -> list[nn.Module]:
    """The modules of one class that stand in the first list of so many."""
    for holder in model.modules():
        if isinstance(holder, nn.ModuleList | nn.Sequential):
            modules = list(holder)
            if len(modules) == num_layers and len({type(module) for module in modules}) == 1:
                return modules
    return []


def _embeddings(model: nn.Module, recipe: Recipe, vocab_size: int) -> Iterator[torch.Tensor]:
    """Tables of a vector for each token or position, as modules or as plain parameters."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            yield module.weight
    for parameter in model.parameters(recurse=False):
        rows = parameter.shape[-2] if parameter.ndim > 1 else 0
        if rows in (vocab_size, recipe.block_size) and parameter.shape[-1] == recipe.embed_dim:
            yield parameter
