# verdict: pass
# style: torch.nn.utils.parametrize on the weight
import torch
from torch import nn
from torch.nn.utils import parametrize


class _Delta(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        w = linear.weight
        self.A = nn.Parameter(w.new_empty(rank, w.shape[1]).uniform_(-0.3, 0.3))
        self.B = nn.Parameter(w.new_zeros(w.shape[0], rank))
        self.scale = alpha / rank

    def forward(self, weight):
        return weight + self.scale * self.B @ self.A


class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        linear.requires_grad_(False)
        self.inner = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.inner.weight = linear.weight
        self.inner.bias = linear.bias
        parametrize.register_parametrization(self.inner, "weight", _Delta(linear, rank, alpha))

    def forward(self, x):
        return self.inner(x)

    def plain(self):
        inner = self.inner
        out = nn.Linear(inner.in_features, inner.out_features, inner.bias is not None, device="meta")
        out.weight = nn.Parameter(inner.weight.detach().clone())
        if inner.bias is not None:
            out.bias = nn.Parameter(inner.bias.detach().clone())
        return out


def _swap(model, pick, make):
    places = [(p, n, c) for p in model.modules() for n, c in p._modules.items() if c is not None and pick(c)]
    new = {}
    for parent, name, child in places:
        if child not in new:
            new[child] = make(child)
        setattr(parent, name, new[child])


def add_lora(model, rank, alpha):
    model.requires_grad_(False)
    _swap(model, lambda c: isinstance(c, nn.Linear), lambda c: LoRALinear(c, rank, alpha))


def merge_lora(model):
    _swap(model, lambda c: isinstance(c, LoRALinear), LoRALinear.plain)
