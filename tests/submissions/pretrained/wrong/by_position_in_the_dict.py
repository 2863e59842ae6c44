# verdict: fail
# part: Weights
# cause: sizes-differ
# style: zips values with parameters in whatever order they come
import torch


def places_of(model):
    """variable -> parameter"""
    places = {
        "model/wte": model.token_embedding.weight,
        "model/wpe": model.position_embedding.weight,
        "model/ln_f/g": model.final_norm.weight,
        "model/ln_f/b": model.final_norm.bias,
    }
    for i, block in enumerate(model.blocks):
        for name, module in (
            ("ln_1", block.attn_norm),
            ("ln_2", block.mlp_norm),
            ("attn/c_attn", block.attn.qkv_proj),
            ("attn/c_proj", block.attn.out_proj),
            ("mlp/c_fc", block.mlp.up_proj),
            ("mlp/c_proj", block.mlp.down_proj),
        ):
            weight = "g" if name.startswith("ln") else "w"
            places[f"model/h{i}/{name}/{weight}"] = module.weight
            places[f"model/h{i}/{name}/b"] = module.bias
    return places


def load_openai_weights(model, variables):
    places = places_of(model)
    for name in list(places) + list(variables):
        if name not in variables:
            raise ValueError(f"missing variable: {name}")
        if name not in places:
            raise ValueError(f"unknown variable: {name}")
        shape = list(places[name].shape)
        if name.endswith("/w"):
            shape = [1, shape[1], shape[0]]
        if list(variables[name].shape) != shape:
            raise ValueError(f"{name}: want {shape}, have {list(variables[name].shape)}")
    with torch.no_grad():
        for (name, value), parameter in zip(variables.items(), places.values()):
            if name.endswith("/w"):
                value = value[0].T
            parameter.copy_(value)
