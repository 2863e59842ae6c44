# verdict: fail
# part: Weights
# cause: gain-bias-swapped
# style: g taken for the bias
import re

import torch

OWN = {
    "ln_1/g": "attn_norm.bias",
    "ln_1/b": "attn_norm.weight",
    "attn/c_attn/w": "attn.qkv_proj.weight",
    "attn/c_attn/b": "attn.qkv_proj.bias",
    "attn/c_proj/w": "attn.out_proj.weight",
    "attn/c_proj/b": "attn.out_proj.bias",
    "ln_2/g": "mlp_norm.bias",
    "ln_2/b": "mlp_norm.weight",
    "mlp/c_fc/w": "mlp.up_proj.weight",
    "mlp/c_fc/b": "mlp.up_proj.bias",
    "mlp/c_proj/w": "mlp.down_proj.weight",
    "mlp/c_proj/b": "mlp.down_proj.bias",
}
TOP = {
    "model/wte": "token_embedding.weight",
    "model/wpe": "position_embedding.weight",
    "model/ln_f/g": "final_norm.weight",
    "model/ln_f/b": "final_norm.bias",
}


def translate(name):
    """The name in our state dict, or None."""
    if name in TOP:
        return TOP[name]
    found = re.fullmatch(r"model/h(0|[1-9]\d*)/(.+)", name)
    if found and found[2] in OWN:
        return f"blocks.{found[1]}.{OWN[found[2]]}"
    return None


def load_openai_weights(model, variables):
    state = model.state_dict()
    wanted = {name for name in state if name != "head.weight"}
    new = {}
    for name, value in variables.items():
        own = translate(name)
        if own not in wanted:
            raise ValueError(f"{name} has no place in this model")
        shape = tuple(state[own].shape)
        if name.endswith("/w"):
            shape = (1, *shape[::-1])
        if tuple(value.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, not {shape}")
        new[own] = value[0].T if name.endswith("/w") else value
    for own in wanted - set(new):
        names = [*TOP, *(f"model/h{i}/{k}" for i in range(len(model.blocks)) for k in OWN)]
        theirs = next(name for name in names if translate(name) == own)
        raise ValueError(f"{theirs} is missing")
    new["head.weight"] = new["token_embedding.weight"]
    model.load_state_dict(new)
