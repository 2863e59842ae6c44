# verdict: pass
# style: breadth first through the model with a queue; A and B registered by name, einsum
from collections import deque

import torch
import torch.nn as nn


class LoRALinear(nn.Module):
    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = linear
        for _, p in self.base.named_parameters():
            p.requires_grad = False
        out_features, in_features = linear.weight.size()
        first = torch.empty((in_features, rank)).to(linear.weight)
        second = torch.zeros((out_features, rank)).to(linear.weight)
        torch.nn.init.normal_(first, 0.0, 1.0 / rank)
        self.register_parameter("first", nn.Parameter(first))
        self.register_parameter("second", nn.Parameter(second))
        self.factor = alpha * (1.0 / rank)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = torch.einsum("...i,ir->...r", x, self.first)
        return self.base(x) + self.factor * torch.einsum("...r,or->...o", small, self.second)


def change_all(model: nn.Module, kind: type, change) -> None:
    queue, seen, answers = deque([model]), set(), {}
    while queue:
        module = queue.popleft()
        if id(module) in seen:
            continue
        seen.add(id(module))
        for name in list(module._modules):
            child = module._modules[name]
            if child is None:
                continue
            if isinstance(child, kind):
                if id(child) not in answers:
                    answers[id(child)] = (child, change(child))
                module._modules[name] = answers[id(child)][1]
            else:
                queue.append(child)


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    for p in model.parameters():
        p.requires_grad = False
    change_all(model, nn.Linear, lambda layer: LoRALinear(layer, rank, alpha))


def merge_lora(model: nn.Module) -> None:
    @torch.no_grad()
    def merged(layer: LoRALinear) -> nn.Linear:
        result = nn.Linear(
            layer.base.in_features, layer.base.out_features, bias=layer.base.bias is not None
        ).to(layer.base.weight)
        result.weight[...] = layer.base.weight + layer.factor * torch.einsum(
            "or,ir->oi", layer.second, layer.first
        )
        if layer.base.bias is not None:
            result.bias[...] = layer.base.bias
        return result

    change_all(model, LoRALinear, merged)
