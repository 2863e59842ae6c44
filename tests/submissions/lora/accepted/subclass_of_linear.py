# verdict: pass
# style: the adapter is itself an nn.Linear that takes over weight and bias, as loralib has it
import torch
import torch.nn as nn
import torch.nn.functional as F


class LoRALinear(nn.Linear):
    def __init__(self, linear, rank, alpha):
        has_bias = linear.bias is not None
        super().__init__(linear.in_features, linear.out_features, bias=has_bias)
        self.weight = linear.weight
        self.weight.requires_grad_(False)
        if has_bias:
            self.bias = linear.bias
            self.bias.requires_grad_(False)
        self.lora_A = nn.Parameter(linear.weight.new_zeros((rank, linear.in_features)))
        self.lora_B = nn.Parameter(linear.weight.new_zeros((linear.out_features, rank)))
        self.scaling = alpha / rank
        nn.init.normal_(self.lora_A, std=0.02)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias) + self.scaling * F.linear(
            F.linear(x, self.lora_A), self.lora_B
        )


@torch.no_grad()
def as_linear(layer):
    plain = nn.Linear(
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        dtype=layer.weight.dtype,
        device=layer.weight.device,
    )
    plain.weight.copy_(layer.weight + layer.scaling * layer.lora_B @ layer.lora_A)
    if layer.bias is not None:
        plain.bias.copy_(layer.bias)
    return plain


def replace(model, test, make):
    made = {}
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):
            if child is not None and test(child):
                made.setdefault(child, None)
                if made[child] is None:
                    made[child] = make(child)
                module._modules[name] = made[child]


def add_lora(model, rank, alpha):
    model.requires_grad_(False)
    replace(
        model,
        lambda m: isinstance(m, nn.Linear) and not isinstance(m, LoRALinear),
        lambda m: LoRALinear(m, rank, alpha),
    )


def merge_lora(model):
    replace(model, lambda m: isinstance(m, LoRALinear), as_linear)
