# verdict: pass
# style: A (in, r) and B (r, out), multiplied from the right; B random and A zero
import torch
from torch import nn
from torch.nn import functional as F


class LoRALinear(nn.Module):
    def __init__(self, linear: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.inner = linear
        w = linear.weight
        self.down = nn.Parameter(torch.zeros(w.shape[1], rank, dtype=w.dtype, device=w.device))
        self.up = nn.Parameter(torch.randn(rank, w.shape[0], dtype=w.dtype, device=w.device) / rank)
        self.alpha, self.rank = alpha, rank
        self.inner.weight.requires_grad = False
        if self.inner.bias is not None:
            self.inner.bias.requires_grad = False

    def forward(self, x):
        update = (x @ self.down) @ self.up
        return F.linear(x, self.inner.weight, self.inner.bias) + update * (self.alpha / self.rank)


def walk(module, change, seen):
    for name, child in module._modules.items():
        if child is None:
            continue
        if child in seen:
            module._modules[name] = seen[child]
            continue
        new = change(child)
        if new is None:
            walk(child, change, seen)
        else:
            seen[child] = new
            module._modules[name] = new


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    walk(model, lambda m: LoRALinear(m, rank, alpha) if isinstance(m, nn.Linear) else None, {})


def merge_lora(model: nn.Module) -> None:
    def plain(m):
        if not isinstance(m, LoRALinear):
            return None
        weight = m.inner.weight.detach()
        update = (m.down @ m.up).T.detach() * (m.alpha / m.rank)
        m.inner.weight = nn.Parameter(weight + update)
        return m.inner

    walk(model, plain, {})
