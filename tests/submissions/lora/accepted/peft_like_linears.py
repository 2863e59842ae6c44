# verdict: pass
# style: A and B are linear layers without bias, as peft has them; names by named_modules
import math

import torch.nn as nn


class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.base_layer = linear
        for p in self.base_layer.parameters():
            p.requires_grad = False
        kwargs = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.lora_A = nn.Linear(linear.in_features, rank, bias=False, **kwargs)
        self.lora_B = nn.Linear(rank, linear.out_features, bias=False, **kwargs)
        self.scaling = alpha / rank
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        return self.base_layer(x) + self.lora_B(self.lora_A(x)) * self.scaling

    def delta(self):
        return self.lora_B.weight @ self.lora_A.weight * self.scaling


def _set(model, path, module):
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def add_lora(model, rank, alpha):
    for p in model.parameters():
        p.requires_grad = False
    found = [
        (n, m) for n, m in model.named_modules(remove_duplicate=False) if isinstance(m, nn.Linear)
    ]
    wrapped = {}
    for n, m in found:
        if id(m) not in wrapped:
            wrapped[id(m)] = LoRALinear(m, rank, alpha)
        _set(model, n, wrapped[id(m)])


def merge_lora(model):
    found = [
        (n, m) for n, m in model.named_modules(remove_duplicate=False) if isinstance(m, LoRALinear)
    ]
    for n, m in found:
        if isinstance(m.base_layer.weight, nn.Parameter) and not hasattr(m, "done"):
            m.base_layer.weight = nn.Parameter(m.base_layer.weight.data + m.delta().data)
            m.done = True
        _set(model, n, m.base_layer)
