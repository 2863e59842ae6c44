"""Where a model of the usual modules keeps the weights of GPT-2, for want of pretrained.py.

Layers are taken in the order in which they are called. In what order queries, keys and values come
is tried; whoever asks compares the logits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from lab.anatomy import in_order
from lab.errors import LabError
from lab.forms import head_places
from lab.weights.architecture import Architecture
from lab.weights.places import Found, as_table

_UNUSUAL = (
    "this needs pretrained.py, whose load_openai_weights tells where the weights are in a model; "
    "without it the lab knows only models of nn.Embedding, nn.LayerNorm and nn.Linear: "
)
Layer = tuple[torch.Tensor, torch.Tensor]  # weight (in, out), bias (out,)


def guesses(model: nn.Module, of: Architecture) -> Iterator[Found]:
    """What the weights may be, under OpenAI's names. Raises LabError for other modules."""
    modules = in_order(model, of.vocab_size, of.block_size)
    norms = [m for m in modules if isinstance(m, nn.LayerNorm)]
    linears = [m for m in modules if isinstance(m, nn.Linear)]
    tables = [m for m in modules if isinstance(m, nn.Embedding)]
    inside = [m for m in linears if m.out_features != of.vocab_size]
    each = len(inside) // of.num_layers
    if len(norms) != 2 * of.num_layers + 1 or len(inside) != each * of.num_layers:
        raise LabError(
            _UNUSUAL + f"found {len(norms)} norms and {len(inside)} linear layers in "
            f"{of.num_layers} blocks"
        )
    if each not in (4, 6) or not tables or tables[0].num_embeddings != of.vocab_size:
        raise LabError(_UNUSUAL + f"found {each} linear layers in a block, expected 4 or 6")
    outside = {
        "model/wte": tables[0].weight.detach().float(),
        "model/wpe": _positions(model, tables, of),
        **_norm("ln_f", norms[-1]),
    }
    kinds = range(3) if each == 4 else range(1)
    for order, kind in itertools.product(itertools.permutations(range(3)), kinds):
        variables = dict(outside)
        for n in range(of.num_layers):
            layers = [_layer(m) for m in inside[n * each : (n + 1) * each]]
            qkv = _parts(layers, of.num_heads, kind)
            names = ("attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj")
            joined = tuple(torch.cat([qkv[i][k] for i in order], dim=-1) for k in range(2))
            for name, (weight, bias) in zip(names, [joined, *layers[-3:]], strict=True):
                variables |= {f"model/h{n}/{name}/w": weight[None], f"model/h{n}/{name}/b": bias}
            variables |= _norm(f"h{n}/ln_1", norms[2 * n]) | _norm(f"h{n}/ln_2", norms[2 * n + 1])
        heads = [as_table(place, of) for place in head_places(model, of.vocab_size, of.embed_dim)]
        yield Found(variables, [variables["model/wte"], *heads])


def _positions(model: nn.Module, tables: Sequence[nn.Embedding], of: Architecture) -> torch.Tensor:
    """Of a second embedding, or of a parameter of that many rows."""
    candidates = [m.weight for m in tables[1:]] or [
        p for p in model.parameters() if p.ndim > 1 and p.numel() == of.block_size * of.embed_dim
    ]
    if not candidates or candidates[0].numel() != of.block_size * of.embed_dim:
        raise LabError(_UNUSUAL + "found no table of positions")
    return candidates[0].detach().float().view(of.block_size, of.embed_dim)


def _norm(name: str, module: nn.LayerNorm) -> dict[str, torch.Tensor]:
    size = module.normalized_shape
    gain = torch.ones(size) if module.weight is None else module.weight.detach().float()
    bias = torch.zeros(size) if module.bias is None else module.bias.detach().float()
    return {f"model/{name}/g": gain, f"model/{name}/b": bias}


def _layer(module: nn.Linear) -> Layer:
    weight = module.weight.detach().float().T
    bias = torch.zeros(weight.shape[1]) if module.bias is None else module.bias.detach().float()
    return weight, bias


def _parts(layers: Sequence[Layer], heads: int, kind: int) -> list[Layer]:
    """Queries, keys and values in some order: of three layers, or of one that holds them side by
    side, head by head, or element by element.
    """
    if len(layers) == 6:
        return list(layers[:3])
    weight, bias = layers[0]
    if kind == 0:
        return list(zip(weight.chunk(3, -1), bias.chunk(3, -1), strict=True))
    axes = (heads, 3, -1) if kind == 1 else (heads, -1, 3)
    axis = -2 if kind == 1 else -1
    w = weight.reshape(len(weight), *axes).unbind(axis)
    return [
        (one.flatten(1), b.flatten())
        for one, b in zip(w, bias.view(axes).unbind(axis), strict=True)
    ]
