# verdict: pass
# style: of a review, p6 conv1d
"""My model carries OpenAI's names, so that a path is an attribute path."""
import torch
from torch import nn
SUFFIX = {"w": "weight", "b": "bias", "g": "weight"}


def load_openai_weights(model: nn.Module, variables) -> None:
    mine = {}
    for path, p in model.named_parameters():
        *parts, leaf = path.split(".")
        if parts[0] == "h":
            parts = ["h" + parts[1], *parts[2:]]
        if parts[-1] in ("wte", "wpe"):
            name = "model/" + parts[-1]
        else:
            norm = parts[-1].startswith("ln")
            name = "/".join(["model", *parts, ("g" if norm else "w") if leaf == "weight" else "b"])
        mine[name] = p
    values = {}
    for name in sorted(set(mine) | set(variables)):
        if name not in variables:
            raise ValueError(f"variable {name!r} is missing from the checkpoint")
        if name not in mine:
            raise ValueError(f"variable {name!r} does not belong to this model of {len(model.h)} blocks")
        p, v = mine[name], variables[name]
        shape = (1, *p.shape) if name.endswith("/w") else tuple(p.shape)
        if v.shape != shape:
            raise ValueError(f"variable {name!r} has shape {[*v.shape]} where {[*shape]} is due")
        values[name] = v.detach().to(p.dtype, copy=True).view_as(p)
    with torch.inference_mode(False), torch.no_grad():
        for name, p in mine.items():
            p.copy_(values[name])
