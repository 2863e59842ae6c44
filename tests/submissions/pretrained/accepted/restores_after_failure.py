# verdict: pass
# style: writes at once and puts everything back when something does not fit
import copy

import torch


def fill(parameter, variables, name, todo, turn=False):
    if name not in variables:
        raise ValueError(f"there is no {name}")
    value = variables[name]
    todo.remove(name)
    if turn:
        if value.ndim != 3 or value.shape[0] != 1:
            raise ValueError(f"{name} should have three dimensions, the first of size 1")
        value = value.squeeze(0).transpose(0, 1)
    if value.shape != parameter.shape:
        raise ValueError(f"{name} does not fit: {value.shape}")
    parameter.copy_(value)


@torch.no_grad()
def load_openai_weights(model, variables):
    backup = copy.deepcopy(model.state_dict())
    todo = list(variables)
    try:
        fill(model.token_embedding.weight, variables, "model/wte", todo)
        fill(model.position_embedding.weight, variables, "model/wpe", todo)
        for i in range(len(model.blocks)):
            b, p = model.blocks[i], "model/h" + str(i)
            fill(b.attn_norm.weight, variables, p + "/ln_1/g", todo)
            fill(b.attn_norm.bias, variables, p + "/ln_1/b", todo)
            fill(b.attn.qkv_proj.weight, variables, p + "/attn/c_attn/w", todo, True)
            fill(b.attn.qkv_proj.bias, variables, p + "/attn/c_attn/b", todo)
            fill(b.attn.out_proj.weight, variables, p + "/attn/c_proj/w", todo, True)
            fill(b.attn.out_proj.bias, variables, p + "/attn/c_proj/b", todo)
            fill(b.mlp_norm.weight, variables, p + "/ln_2/g", todo)
            fill(b.mlp_norm.bias, variables, p + "/ln_2/b", todo)
            fill(b.mlp.up_proj.weight, variables, p + "/mlp/c_fc/w", todo, True)
            fill(b.mlp.up_proj.bias, variables, p + "/mlp/c_fc/b", todo)
            fill(b.mlp.down_proj.weight, variables, p + "/mlp/c_proj/w", todo, True)
            fill(b.mlp.down_proj.bias, variables, p + "/mlp/c_proj/b", todo)
        fill(model.final_norm.weight, variables, "model/ln_f/g", todo)
        fill(model.final_norm.bias, variables, "model/ln_f/b", todo)
        if todo:
            raise ValueError(f"left over: {todo}")
    except ValueError:
        model.load_state_dict(backup)
        raise
