# verdict: pass
# style: of a review, p1 statedict
import re
import torch

NAMES = {
    "ln_1/g": "attn_norm.weight", "ln_1/b": "attn_norm.bias",
    "attn/c_attn/w": "attn.qkv_proj.weight", "attn/c_attn/b": "attn.qkv_proj.bias",
    "attn/c_proj/w": "attn.out_proj.weight", "attn/c_proj/b": "attn.out_proj.bias",
    "ln_2/g": "mlp_norm.weight", "ln_2/b": "mlp_norm.bias",
    "mlp/c_fc/w": "mlp.up_proj.weight", "mlp/c_fc/b": "mlp.up_proj.bias",
    "mlp/c_proj/w": "mlp.down_proj.weight", "mlp/c_proj/b": "mlp.down_proj.bias",
}


class CheckpointError(ValueError):
    """A checkpoint that does not fit the model."""


def load_openai_weights(model, variables):
    state = model.state_dict()
    want = {"model/wte": "token_embedding.weight", "model/wpe": "position_embedding.weight",
            "model/ln_f/g": "final_norm.weight", "model/ln_f/b": "final_norm.bias"}
    for i in range(len(model.blocks)):
        for theirs, ours in NAMES.items():
            want[f"model/h{i}/{theirs}"] = f"blocks.{i}.{ours}"
    missing = [n for n in want if n not in variables]
    surplus = [n for n in variables if n not in want]
    if missing or surplus:
        raise CheckpointError(f"missing: {', '.join(missing) or 'none'}; surplus: {', '.join(surplus) or 'none'}")
    new = {}
    for theirs, ours in want.items():
        t = variables[theirs]
        shape = tuple(state[ours].shape)
        if theirs.endswith("/w"):
            shape = (1,) + shape[::-1]
        if tuple(t.shape) != shape:
            raise CheckpointError(f"{theirs} has shape {tuple(t.shape)}, should be {shape}")
        new[ours] = t[0].T if theirs.endswith("/w") else t
    new["head.weight"] = new["token_embedding.weight"]
    model.load_state_dict(new, strict=True)
