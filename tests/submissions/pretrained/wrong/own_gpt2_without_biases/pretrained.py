# verdict: fail
# part: Weights
# cause: model-lacks-parameters
# style: a model without biases, which are dropped
import re

import torch


def own_name(name):
    """model/h3/attn/c_attn/w -> h.3.attn.c_attn.weight"""
    name = name.removeprefix("model/")
    name = re.sub(r"^h(\d+)/", r"h.\1.", name).replace("/", ".")
    for ending, own in ((".g", ".weight"), (".w", ".weight"), (".b", ".bias")):
        if name.endswith(ending):
            return name.removesuffix(ending) + own
    return name + ".weight"


def load_openai_weights(model, variables):
    parameters = dict(model.named_parameters())
    openai = {}
    for own in parameters:
        stem, kind = own.rsplit(".", 1)
        stem = re.sub(r"^h\.(\d+)\.", r"h\1/", stem).replace(".", "/")
        if stem in ("wte", "wpe"):
            openai["model/" + stem] = own
        elif "ln_" in stem:
            openai[f"model/{stem}/{'g' if kind == 'weight' else 'b'}"] = own
        else:
            openai[f"model/{stem}/{kind[0]}"] = own
    assert all(own_name(name) == own for name, own in openai.items())
    problems = []
    for name in variables:
        if name not in openai and not name.endswith("/b"):
            problems.append(f"{name}: not in this model")
    for name, own in openai.items():
        shape = tuple(parameters[own].shape)
        if name.endswith("/w"):
            shape = (1,) + shape
        if name not in variables:
            problems.append(f"{name}: not in the checkpoint")
        elif tuple(variables[name].shape) != shape:
            problems.append(f"{name}: {tuple(variables[name].shape)} is not {shape}")
    if problems:
        raise ValueError("\n".join(problems))
    with torch.no_grad():
        for name, own in openai.items():
            parameters[own].copy_(variables[name].view_as(parameters[own]))
