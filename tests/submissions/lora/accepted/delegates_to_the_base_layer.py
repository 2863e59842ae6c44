# verdict: pass
# style: after peft: named parts, and everything else asked of the base layer
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class LoRALinear(nn.Module):
    lora_weights = ("lora_A", "lora_B")

    def __init__(self, linear, rank, alpha, dropout=0.0):
        super().__init__()
        self.base_layer = linear
        self.lora_dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.lora_A = nn.Parameter(linear.weight.new_zeros((rank, linear.in_features)))
        self.lora_B = nn.Parameter(linear.weight.new_zeros((linear.out_features, rank)))
        self.scaling = alpha / rank
        self.reset_parameters()
        self.mark_only_lora_as_trainable()

    def reset_parameters(self):
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B)

    def mark_only_lora_as_trainable(self):
        for n, p in self.named_parameters():
            p.requires_grad = n in self.lora_weights

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.base_layer, name)

    def get_delta_weight(self):
        return (self.lora_B @ self.lora_A) * self.scaling

    def forward(self, x):
        result = self.base_layer(x)
        x = x.to(self.lora_A.dtype)
        return result + F.linear(F.linear(self.lora_dropout(x), self.lora_A), self.lora_B) * self.scaling


def _get_submodules(model, key):
    parent = model.get_submodule(".".join(key.split(".")[:-1]))
    return parent, key.split(".")[-1]


def add_lora(model, rank, alpha):
    for n, p in model.named_parameters():
        p.requires_grad = False
    replaced = {}
    for key, target in list(model.named_modules(remove_duplicate=False)):
        if isinstance(target, nn.Linear):
            parent, name = _get_submodules(model, key)
            if target not in replaced:
                replaced[target] = LoRALinear(target, rank, alpha)
            setattr(parent, name, replaced[target])


def merge_lora(model):
    replaced = {}
    for key, target in list(model.named_modules(remove_duplicate=False)):
        if isinstance(target, LoRALinear):
            parent, name = _get_submodules(model, key)
            if target not in replaced:
                base = target.base_layer
                base.weight = nn.Parameter(base.weight.detach() + target.get_delta_weight().detach(), requires_grad=base.weight.requires_grad)
                replaced[target] = base
            setattr(parent, name, replaced[target])
