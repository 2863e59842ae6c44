"""OpenAI's GPT-2 checkpoints: names and shapes of their variables, and the model they make.

Source: `model.py` of OpenAI's GPT-2 release, whose `conv1d` keeps a matrix as [1, n_in, n_out].
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grader.gpt2.oracle import Activation, Attention, Block, Floats, Gpt2, Integers, Mlp, Norm, gpt2

Size = Mapping[str, int]
Variables = dict[str, NDArray[np.floating]]
# No variables of a checkpoint: what stands here is a head that is not tied, and its bias.
HEAD, HEAD_BIAS = "head", "head_bias"


def layer_shapes(embed_dim: int) -> dict[str, tuple[int, ...]]:
    """The variables of one block, by the rest of their names."""
    c = embed_dim
    return {
        "ln_1/g": (c,),
        "ln_1/b": (c,),
        "attn/c_attn/w": (1, c, 3 * c),
        "attn/c_attn/b": (3 * c,),
        "attn/c_proj/w": (1, c, c),
        "attn/c_proj/b": (c,),
        "ln_2/g": (c,),
        "ln_2/b": (c,),
        "mlp/c_fc/w": (1, c, 4 * c),
        "mlp/c_fc/b": (4 * c,),
        "mlp/c_proj/w": (1, 4 * c, c),
        "mlp/c_proj/b": (c,),
    }


def shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """The shape of every variable of a checkpoint of this size."""
    c = size["embed_dim"]
    inside = layer_shapes(c)
    return {
        "model/wte": (size["vocab_size"], c),
        "model/wpe": (size["block_size"], c),
        **{f"model/h{i}/{n}": s for i in range(size["num_layers"]) for n, s in inside.items()},
        "model/ln_f/g": (c,),
        "model/ln_f/b": (c,),
    }


def logits(variables: Variables, num_heads: int, idx: Integers, gelu: Activation) -> Floats:
    """What the model of a checkpoint gives for idx (B, T): (B, T, V) in float64."""
    return gpt2(idx, weights(variables, num_heads), gelu)


def weights(variables: Variables, num_heads: int) -> Gpt2:
    """The variables as the weights of a model."""
    count = sum(name.endswith("ln_1/g") for name in variables)
    tokens = _floats(variables["model/wte"])
    return Gpt2(
        tokens,
        _floats(variables["model/wpe"]),
        [_block(variables, f"model/h{i}/", num_heads) for i in range(count)],
        _norm(variables, "model/ln_f"),
        _floats(variables.get(HEAD, tokens)),
        _floats(variables.get(HEAD_BIAS, np.zeros(len(tokens)))),
    )


def _block(variables: Variables, prefix: str, num_heads: int) -> Block:
    def values(name: str) -> Floats:
        return _floats(variables[prefix + name])

    w = values("attn/c_attn/w")[0]
    size = len(w)
    heads = (3, num_heads, size // num_heads)
    query, key, value = w.T.reshape(*heads, size)
    query_bias, key_bias, value_bias = values("attn/c_attn/b").reshape(heads)
    out = values("attn/c_proj/w")[0].T.reshape(size, *heads[1:])
    attention = Attention(
        *(query, key, value, out), query_bias, key_bias, value_bias, values("attn/c_proj/b")
    )
    mlp = Mlp(
        values("mlp/c_fc/w")[0].T,
        values("mlp/c_fc/b"),
        values("mlp/c_proj/w")[0].T,
        values("mlp/c_proj/b"),
    )
    norm = partial(_norm, variables)
    return Block(norm(f"{prefix}ln_1"), attention, norm(f"{prefix}ln_2"), mlp)


def _norm(variables: Variables, name: str) -> Norm:
    return Norm(_floats(variables[f"{name}/g"]), _floats(variables[f"{name}/b"]))


def _floats(values: NDArray[np.floating]) -> Floats:
    return values.astype(np.float64)
