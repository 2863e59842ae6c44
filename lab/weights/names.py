"""GPT-2's weights under OpenAI's names, whatever they are called elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import torch

from lab.errors import LabError
from lab.weights.architecture import Architecture

HEAD = "lm_head.weight"
_LAYER = re.compile(r"h\.(\d+)\.(.+)\.(weight|bias)")
# Not learned: causal masks, and what stands in for minus infinity.
_PASSED_OVER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")


def openai_variables(
    tensors: Mapping[str, torch.Tensor], transposed: bool
) -> dict[str, torch.Tensor]:
    """The same under OpenAI's names, in float32. Matrices are (in, out), with an axis before.

    transposed: whether they come as (out, in), as nn.Linear has them. What is unknown keeps its
    name, and so does the head.
    """
    found = {}
    for name, tensor in tensors.items():
        if _PASSED_OVER.fullmatch(name):
            continue
        new = openai_name(name)
        if new.endswith("/w"):
            tensor = (tensor.mT if transposed else tensor)[None]
        found[new] = tensor.float()
    return found


def is_transposed(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether matrices are (out, in): told by the one that makes queries, keys and values."""
    matrix = tensors.get("h.0.attn.c_attn.weight")
    return matrix is not None and matrix.ndim == 2 and matrix.shape[0] == 3 * matrix.shape[1]


def openai_name(name: str) -> str:
    """Such as model/h0/attn/c_attn/w for h.0.attn.c_attn.weight."""
    if name in ("wte.weight", "wpe.weight"):
        return f"model/{name[:3]}"
    if name in ("ln_f.weight", "ln_f.bias"):
        return "model/ln_f/" + ("g" if name.endswith("weight") else "b")
    match = _LAYER.fullmatch(name)
    if match is None:
        return name
    layer, part, what = match.groups()
    weight = "g" if part.startswith("ln_") else "w"
    return f"model/h{layer}/{part.replace('.', '/')}/{weight if what == 'weight' else 'b'}"


def hugging_face_name(name: str) -> str:
    """Such as transformer.h.0.attn.c_attn.weight for model/h0/attn/c_attn/w."""
    stem, _, what = name.removeprefix("model/").rpartition("/")
    if not stem:
        return f"transformer.{what}.weight"
    stem = re.sub(r"^h(\d+)/", r"h/\1/", stem).replace("/", ".")
    return f"transformer.{stem}.{'bias' if what == 'b' else 'weight'}"


def shapes(of: Architecture) -> dict[str, tuple[int, ...]]:
    """What variables a checkpoint of this architecture has, and their shapes."""
    width = of.embed_dim
    found: dict[str, tuple[int, ...]] = {
        "model/wte": (of.vocab_size, width),
        "model/wpe": (of.block_size, width),
        "model/ln_f/g": (width,),
        "model/ln_f/b": (width,),
    }
    matrices = {
        "attn/c_attn": (width, 3 * width),
        "attn/c_proj": (width, width),
        "mlp/c_fc": (width, of.d_ff),
        "mlp/c_proj": (of.d_ff, width),
    }
    for layer in range(of.num_layers):
        for part in ("ln_1", "ln_2"):
            found |= {f"model/h{layer}/{part}/{what}": (width,) for what in "gb"}
        for part, (n_in, n_out) in matrices.items():
            found[f"model/h{layer}/{part}/w"] = (1, n_in, n_out)
            found[f"model/h{layer}/{part}/b"] = (n_out,)
    return found


def check(variables: Mapping[str, torch.Tensor], of: Architecture, source: str) -> None:
    """Raise LabError for the first variable that is missing, surplus or of a wrong shape."""
    expected = shapes(of)
    for name, shape in expected.items():
        if name not in variables:
            raise LabError(f"{source} has no {name}, which a GPT-2 of its config's sizes has")
        if tuple(variables[name].shape) != shape:
            raise LabError(
                f"{source}: expected {name} of shape {shape}, as its config says, found "
                f"{tuple(variables[name].shape)}"
            )
    for name in variables:
        if name not in expected:
            raise LabError(f"{source} has {name}, which is no part of a GPT-2 of its config")


def with_biases(variables: dict[str, torch.Tensor], of: Architecture) -> dict[str, torch.Tensor]:
    """The same with biases of zero where a model was trained without any (nanoGPT's bias=False)."""
    missing = {n: s for n, s in shapes(of).items() if n.endswith("/b") and n not in variables}
    return variables | {name: torch.zeros(shape) for name, shape in missing.items()}


def with_plain_scores(
    variables: dict[str, torch.Tensor], of: Architecture
) -> tuple[dict[str, torch.Tensor], Architecture]:
    """Another scale of the scores as larger or smaller queries: the same function as a GPT-2."""
    if of.scaled and not of.scaled_by_layer:
        return variables, of
    variables, width = dict(variables), of.embed_dim
    for layer in range(of.num_layers):
        scale = 1.0 if of.scaled else (width // of.num_heads) ** 0.5
        scale /= layer + 1 if of.scaled_by_layer else 1
        for what in "wb":
            name = f"model/h{layer}/attn/c_attn/{what}"
            queries = torch.ones(3 * width)
            queries[:width] = scale
            variables[name] = variables[name] * queries
    return variables, replace(of, scaled=True, scaled_by_layer=False)
