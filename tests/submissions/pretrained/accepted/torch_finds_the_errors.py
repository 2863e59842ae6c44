# verdict: pass
# style: lets load_state_dict of a fresh deep copy find what is wrong, and translates its words
import copy
import re

import torch

PAIRS = [
    (r"^model/wte$", "token_embedding.weight"),
    (r"^model/wpe$", "position_embedding.weight"),
    (r"^model/ln_f/g$", "final_norm.weight"),
    (r"^model/ln_f/b$", "final_norm.bias"),
    (r"^model/h(\d+)/ln_1/g$", r"blocks.\1.attn_norm.weight"),
    (r"^model/h(\d+)/ln_1/b$", r"blocks.\1.attn_norm.bias"),
    (r"^model/h(\d+)/ln_2/g$", r"blocks.\1.mlp_norm.weight"),
    (r"^model/h(\d+)/ln_2/b$", r"blocks.\1.mlp_norm.bias"),
    (r"^model/h(\d+)/attn/c_attn/w$", r"blocks.\1.attn.qkv_proj.weight"),
    (r"^model/h(\d+)/attn/c_attn/b$", r"blocks.\1.attn.qkv_proj.bias"),
    (r"^model/h(\d+)/attn/c_proj/w$", r"blocks.\1.attn.out_proj.weight"),
    (r"^model/h(\d+)/attn/c_proj/b$", r"blocks.\1.attn.out_proj.bias"),
    (r"^model/h(\d+)/mlp/c_fc/w$", r"blocks.\1.mlp.up_proj.weight"),
    (r"^model/h(\d+)/mlp/c_fc/b$", r"blocks.\1.mlp.up_proj.bias"),
    (r"^model/h(\d+)/mlp/c_proj/w$", r"blocks.\1.mlp.down_proj.weight"),
    (r"^model/h(\d+)/mlp/c_proj/b$", r"blocks.\1.mlp.down_proj.bias"),
]


def back(own):
    for theirs, mine in PAIRS:
        pattern = "^" + re.escape(mine).replace(r"\\1", r"(\d+)") + "$"
        found = re.match(pattern, own)
        if found:
            name = theirs.strip("^$")
            return name.replace(r"(\d+)", found[1]) if found.groups() else name
    return own


def load_openai_weights(model, variables):
    state = {}
    for name, value in variables.items():
        own = name  # unknown ones stay as they are, and are found to be unexpected
        for theirs, mine in PAIRS:
            if re.match(theirs, name):
                own = re.sub(theirs, mine, name)
        if name.endswith("/w"):
            if value.dim() != 3 or len(value) != 1:
                raise ValueError(f"{name}: expected [1, n_in, n_out], got {list(value.shape)}")
            value = value[0].transpose(0, 1)
        state[own] = value
    if "token_embedding.weight" in state:
        state["head.weight"] = state["token_embedding.weight"]
    trial = copy.deepcopy(model)
    try:
        trial.load_state_dict(state)
    except RuntimeError as error:
        words = re.sub(r"[\w.]+\.(weight|bias)", lambda found: back(found[0]), str(error))
        words = re.sub(r"blocks\.(\d+)", r"model/h\1", words)
        raise ValueError(words) from error
    model.load_state_dict(trial.state_dict())
