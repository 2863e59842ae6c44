"""Pretrained weights: OpenAI's GPT-2 in the model of gpt2.py. The reference solution.

Shapes: C is embed_dim, V the size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def load_openai_weights(model: nn.Module, variables: Mapping[str, torch.Tensor]) -> None:
    """Give your own GPT2 the weights of an OpenAI checkpoint of the same size.

    model: a GPT2 of your gpt2.py. variables: all variables of the checkpoint by name, float32, such
    as "model/wte" (V, C) and "model/h0/attn/c_attn/w" [1, C, 3C]; the brief lists them. Afterwards
    the model's logits are those of OpenAI's model. Nothing of it shares memory with variables.

    Raises ValueError with the variable's name if one is missing, surplus or of a wrong shape; the
    model is then as it was.
    """
    places = _places(model)
    # Everything is looked at before anything is written: an error leaves the model as it was.
    _check(places, variables)
    with torch.no_grad():
        for name, parameter in places.items():
            # [1, n_in, n_out], for x @ w; nn.Linear keeps (n_out, n_in), for x @ w.T
            value = variables[name][0].T if name.endswith("/w") else variables[name]
            parameter.copy_(value)


def _places(model: nn.Module) -> dict[str, nn.Parameter]:
    """Where each variable goes, by its name. The head has none: it is the token embedding."""
    places = {
        "model/wte": model.token_embedding.weight,  # (V, C)
        "model/wpe": model.position_embedding.weight,  # (block_size, C)
        "model/ln_f/g": model.final_norm.weight,  # (C,)
        "model/ln_f/b": model.final_norm.bias,  # (C,)
    }
    for i, block in enumerate(model.blocks):
        for name, norm in (("ln_1", block.attn_norm), ("ln_2", block.mlp_norm)):
            places[f"model/h{i}/{name}/g"] = norm.weight  # (C,): the gain
            places[f"model/h{i}/{name}/b"] = norm.bias  # (C,)
        for name, linear in (
            # Queries, keys and values of all heads side by side, as they are in qkv_proj.
            ("attn/c_attn", block.attn.qkv_proj),  # C -> 3C
            ("attn/c_proj", block.attn.out_proj),  # C -> C
            ("mlp/c_fc", block.mlp.up_proj),  # C -> 4C
            ("mlp/c_proj", block.mlp.down_proj),  # 4C -> C
        ):
            places[f"model/h{i}/{name}/w"] = linear.weight  # (n_out, n_in)
            places[f"model/h{i}/{name}/b"] = linear.bias  # (n_out,)
    return places


def _check(places: dict[str, nn.Parameter], variables: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError for the first variable that is missing, surplus or of a wrong shape."""
    for name in places:
        if name not in variables:
            raise ValueError(f"{name} is missing; is it a checkpoint of fewer layers?")
    for name in variables:
        if name not in places:
            raise ValueError(f"{name} is surplus: this model has no place for it")
    for name, parameter in places.items():
        expected, found = tuple(parameter.shape), tuple(variables[name].shape)
        if name.endswith("/w"):
            expected = (1, *reversed(expected))
        if found != expected:
            raise ValueError(f"{name} must be of shape {expected}, found {found}")
