# verdict: pass
# style: knows the order in which its model registers parameters
from itertools import chain

import torch

KINDS = (
    "ln_1/g ln_1/b attn/c_attn/w attn/c_attn/b attn/c_proj/w attn/c_proj/b "
    "ln_2/g ln_2/b mlp/c_fc/w mlp/c_fc/b mlp/c_proj/w mlp/c_proj/b"
).split()


def load_openai_weights(model: torch.nn.Module, variables) -> None:
    layers = ([f"model/h{i}/{kind}" for kind in KINDS] for i in range(len(model.blocks)))
    order = ["model/wte", "model/wpe", *chain.from_iterable(layers)]
    order += ["model/ln_f/g", "model/ln_f/b"]
    if set(order) - set(variables):
        raise ValueError("Missing: " + ", ".join(sorted(set(order) - set(variables))))
    if set(variables) - set(order):
        raise ValueError("Unexpected: " + ", ".join(sorted(set(variables) - set(order))))

    parameters = list(model.parameters())  # the tied head is counted once
    assert len(parameters) == len(order)
    for name, parameter in zip(order, parameters, strict=True):
        wanted = tuple(parameter.shape)
        wanted = (1,) + wanted[::-1] if name[-1] == "w" else wanted
        if variables[name].size() != wanted:
            raise ValueError(f"Bad shape for {name}: {variables[name].size()} rather than {wanted}")

    for name, parameter in zip(order, parameters, strict=True):
        value = variables[name].to(parameter)
        if name[-1] == "w":
            value = value.mT.squeeze(0)
        with torch.no_grad():
            parameter.set_(value.clone(memory_format=torch.contiguous_format))
