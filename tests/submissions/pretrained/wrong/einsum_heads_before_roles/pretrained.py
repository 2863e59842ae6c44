# verdict: fail
# part: Weights
# cause: heads-interleaved
# style: views columns as (head, role, d)
from typing import Mapping

import torch as t
from torch import Tensor


def convert(v: Mapping[str, Tensor], n_layer: int, n_head: int) -> dict[str, Tensor]:
    """OpenAI's variables as a state dict of this model."""
    new = {
        "W_E": v["model/wte"],
        "W_U": v["model/wte"].T,
        "b_U": t.zeros(len(v["model/wte"])),
        "W_pos": v["model/wpe"],
        "ln_final.w": v["model/ln_f/g"],
        "ln_final.b": v["model/ln_f/b"],
    }
    for l in range(n_layer):
        old, blk = f"model/h{l}", f"blocks.{l}"
        w = v[f"{old}/attn/c_attn/w"]
        C = w.shape[1]
        qkv = w.view(C, n_head, 3, C // n_head).permute(2, 1, 0, 3)  # role, head, C, d
        biases = v[f"{old}/attn/c_attn/b"].view(n_head, 3, C // n_head).transpose(0, 1)
        for letter, weight, bias in zip("QKV", qkv, biases):
            new[f"{blk}.attn.W_{letter}"] = weight
            new[f"{blk}.attn.b_{letter}"] = bias
        new[f"{blk}.attn.W_O"] = v[f"{old}/attn/c_proj/w"].view(n_head, C // n_head, C)
        new[f"{blk}.attn.b_O"] = v[f"{old}/attn/c_proj/b"]
        for ln in "12":
            new[f"{blk}.ln{ln}.w"] = v[f"{old}/ln_{ln}/g"]
            new[f"{blk}.ln{ln}.b"] = v[f"{old}/ln_{ln}/b"]
        new[f"{blk}.mlp.W_in"] = v[f"{old}/mlp/c_fc/w"][0]
        new[f"{blk}.mlp.b_in"] = v[f"{old}/mlp/c_fc/b"]
        new[f"{blk}.mlp.W_out"] = v[f"{old}/mlp/c_proj/w"][0]
        new[f"{blk}.mlp.b_out"] = v[f"{old}/mlp/c_proj/b"]
    return new


def expected_shapes(V: int, C: int, T: int, n_layer: int) -> dict[str, tuple[int, ...]]:
    layer = {
        "ln_1/g": (C,), "ln_1/b": (C,), "ln_2/g": (C,), "ln_2/b": (C,),
        "attn/c_attn/w": (1, C, 3 * C), "attn/c_attn/b": (3 * C,),
        "attn/c_proj/w": (1, C, C), "attn/c_proj/b": (C,),
        "mlp/c_fc/w": (1, C, 4 * C), "mlp/c_fc/b": (4 * C,),
        "mlp/c_proj/w": (1, 4 * C, C), "mlp/c_proj/b": (C,),
    }
    top = {"wte": (V, C), "wpe": (T, C), "ln_f/g": (C,), "ln_f/b": (C,)}
    return {f"model/{k}": s for k, s in top.items()} | {
        f"model/h{l}/{k}": s for l in range(n_layer) for k, s in layer.items()
    }


def load_openai_weights(model, variables):
    V, C = model.W_E.shape
    wanted = expected_shapes(V, C, model.W_pos.shape[0], len(model.blocks))
    for name in wanted.keys() ^ variables.keys():
        where = "checkpoint" if name in wanted else "model"
        raise ValueError(f"the {where} has no {name}")
    for name, shape in wanted.items():
        if variables[name].shape != t.Size(shape):
            raise ValueError(f"{name} has shape {variables[name].shape} != {shape}")
    n_head = model.blocks[0].attn.W_Q.shape[0]
    model.load_state_dict(convert(variables, len(model.blocks), n_head), strict=False)
