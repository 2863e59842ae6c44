# verdict: pass
# style: three files; the names are in one of their own, and the loop is five lines
import torch

from openai_names import openai_name


@torch.no_grad()
def load_openai_weights(model, variables):
    own = {openai_name(name): parameter for name, parameter in model.named_parameters()}
    if own.keys() != variables.keys():
        raise ValueError(f"missing or unknown: {sorted(own.keys() ^ variables.keys())}")
    for name, parameter in own.items():
        shape = list(parameter.shape)
        if list(variables[name].shape) != ([1] if name.endswith("w") else []) + shape:
            raise ValueError(f"{name} should have shape {shape}: {variables[name].shape}")
    for name, parameter in own.items():
        parameter[:] = variables[name].reshape(parameter.shape)
