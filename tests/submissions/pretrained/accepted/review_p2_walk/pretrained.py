# verdict: pass
# style: of a review, p2 walk
from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


def _places(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Each variable's name, its parameter, and whether it is a matrix to be transposed."""
    yield "model/wte", model.token_embedding.weight, False
    yield "model/wpe", model.position_embedding.weight, False
    for i, block in enumerate(model.blocks):
        at = f"model/h{i}"
        for name, norm in (("ln_1", block.attn_norm), ("ln_2", block.mlp_norm)):
            yield f"{at}/{name}/g", norm.weight, False
            yield f"{at}/{name}/b", norm.bias, False
        for name, linear in (
            ("attn/c_attn", block.attn.qkv_proj), ("attn/c_proj", block.attn.out_proj),
            ("mlp/c_fc", block.mlp.up_proj), ("mlp/c_proj", block.mlp.down_proj),
        ):
            yield f"{at}/{name}/w", linear.weight, True
            yield f"{at}/{name}/b", linear.bias, False
    yield "model/ln_f/g", model.final_norm.weight, False
    yield "model/ln_f/b", model.final_norm.bias, False


@torch.no_grad()
def load_openai_weights(model: nn.Module, variables: Mapping[str, Tensor]) -> None:
    places = {name: (p, matrix) for name, p, matrix in _places(model)}
    if different := places.keys() ^ variables.keys():
        name = sorted(different)[0]
        raise ValueError(f"{name} is {'missing' if name in places else 'not of this model'}")
    ready = []
    for name, (p, matrix) in places.items():
        expected = torch.Size([1, *reversed(p.shape)]) if matrix else p.shape
        if variables[name].shape != expected:
            raise ValueError(f"{name}: shape {list(variables[name].shape)}, expected {list(expected)}")
        ready.append((p, variables[name][0].t() if matrix else variables[name]))
    for p, value in ready:
        p.copy_(value)
