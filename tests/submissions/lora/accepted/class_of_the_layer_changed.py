# verdict: pass
# style: the layers change their class, and so stay where they are
"""Change the class of the layers, so that every place of a shared layer follows."""
import torch
from torch import nn


class LoRALinear(nn.Linear):
    def __init__(self, linear, rank, alpha):
        nn.Module.__init__(self)
        self.__dict__.update({k: v for k, v in linear.__dict__.items() if k not in ("_parameters", "_buffers", "_modules")})
        self._parameters = dict(linear._parameters)
        self._equip(rank, alpha)

    def _equip(self, rank, alpha):
        self.weight.requires_grad_(False)
        if self.bias is not None:
            self.bias.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, self.in_features).to(self.weight).normal_(0, 0.1))
        self.B = nn.Parameter(torch.zeros(self.out_features, rank).to(self.weight))
        self.gain = alpha / rank

    def forward(self, x):
        return super().forward(x) + (x @ self.A.T @ self.B.T) * self.gain


def add_lora(model, rank, alpha):
    model.requires_grad_(False)
    for m in list(model.modules()):
        if type(m) is nn.Linear:
            m.__class__ = LoRALinear
            m._equip(rank, alpha)


def merge_lora(model):
    for m in model.modules():
        if isinstance(m, LoRALinear):
            w = m.weight.detach() + m.gain * (m.B.detach() @ m.A.detach())
            del m.A, m.B, m.gain
            m.weight = nn.Parameter(w)
            m.__class__ = nn.Linear
