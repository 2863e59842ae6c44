# verdict: pass
# style: walks model.modules() and takes norms, linears and embeddings as they come
from collections import deque

import torch
from torch import nn


def load_openai_weights(model, variables):
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    norms = deque(m for m in model.modules() if isinstance(m, nn.LayerNorm))
    linears = deque(m for m in model.modules() if isinstance(m, nn.Linear))  # the head is last
    wanted = {"model/wte": embeddings[0].weight, "model/wpe": embeddings[1].weight}
    layer = 0
    while len(linears) > 1:
        for name in ("attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj"):
            linear = linears.popleft()
            wanted[f"model/h{layer}/{name}/w"] = linear.weight
            wanted[f"model/h{layer}/{name}/b"] = linear.bias
        for name in ("ln_1", "ln_2"):
            norm = norms.popleft()
            wanted[f"model/h{layer}/{name}/g"] = norm.weight
            wanted[f"model/h{layer}/{name}/b"] = norm.bias
        layer += 1
    (norm,) = norms
    wanted |= {"model/ln_f/g": norm.weight, "model/ln_f/b": norm.bias}

    message = []
    for name in {**wanted, **variables}:
        have = variables[name].shape if name in variables else None
        want = wanted[name].shape if name in wanted else None
        if want is not None and name.endswith("/w"):
            want = torch.Size([1, want[1], want[0]])
        if have != want:
            message.append(f"{name}: have {have}, want {want}")
    if message:
        raise ValueError("\n".join(message))

    state = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        for name, parameter in wanted.items():
            if name[-2:] == "/w":
                parameter.copy_(variables[name].squeeze(0).t())
            else:
                parameter.copy_(variables[name])
    finally:
        torch.set_grad_enabled(state)
