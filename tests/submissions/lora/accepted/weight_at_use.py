# verdict: pass
# style: the effective weight is formed in forward and used once
import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        linear.requires_grad_(False)
        self.linear, self.rank, self.alpha = linear, rank, alpha
        make = torch.empty if rank else torch.zeros
        self.A = nn.Parameter(make(rank, linear.in_features).to(linear.weight))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank).to(linear.weight))
        nn.init.xavier_normal_(self.A)

    @property
    def weight(self):
        return torch.addmm(self.linear.weight, self.B, self.A, alpha=self.alpha / self.rank)

    def forward(self, x):
        out = torch.einsum("...i,oi->...o", x, self.weight)
        return out if self.linear.bias is None else out + self.linear.bias


def add_lora(model, rank, alpha):
    for parameter in model.parameters():
        parameter.requires_grad = False
    memo = {}

    def visit(module):
        for name in list(module._modules):
            child = module._modules[name]
            if type(child) is nn.Linear:
                memo[child] = memo.get(child) or LoRALinear(child, rank, alpha)
                setattr(module, name, memo[child])
            elif isinstance(child, nn.Module) and not isinstance(child, LoRALinear):
                visit(child)

    visit(model)


def merge_lora(model):
    memo = {}

    def visit(module):
        for name, child in list(module._modules.items()):
            if isinstance(child, LoRALinear):
                if child not in memo:
                    child.linear.weight = nn.Parameter(child.weight.detach().clone())
                    memo[child] = child.linear
                setattr(module, name, memo[child])
            elif child is not None:
                visit(child)

    visit(model)
