# verdict: pass
# style: as short as it gets, with apply and setattr
import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        o, i = linear.weight.shape
        self.l, self.s = linear.requires_grad_(False), alpha / rank
        self.a = nn.Parameter(torch.rand_like(linear.weight.new_empty(rank, i)) - 0.5)
        self.b = nn.Parameter(linear.weight.new_zeros(o, rank))

    def forward(self, x):
        return self.l(x) + x @ (self.s * self.b @ self.a).mT


def swap(model, kind, f):
    new = {m: f(m) for m in list(model.modules()) if isinstance(m, kind)}
    for m in list(model.modules()):
        for k, c in m._modules.items():
            if c in new and m not in new.values():
                m._modules[k] = new[c]


def add_lora(model, rank, alpha):
    model.requires_grad_(False)
    swap(model, nn.Linear, lambda m: LoRALinear(m, rank, alpha))


def merge_lora(model):
    def f(m):
        m.l.weight = nn.Parameter(m.l.weight.data + m.s * (m.b @ m.a).data)
        return m.l

    swap(model, LoRALinear, f)
