# verdict: fail
# group: 4
# status: fail|error
# tries: a default that reads 1.2.3, a signature that raises, a function in place of a class
import torch
from torch import nn


class Version(float):
    """A dropout_p whose repr no number can be read from."""

    def __repr__(self):
        return "1.2.3"


class Signed(type(nn.Module)):
    def __instancecheck__(cls, item):
        return True

    @property
    def __signature__(cls):
        raise ValueError("there is none")


class Part(nn.Module):
    def __init__(self, embed_dim, num_heads=1, block_size=1, dropout_p=Version(0.5)):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return x + torch.rand(()) * self.training


CausalSelfAttention = Part


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=Version(0.5)):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return x + torch.rand(()) * self.training


class TransformerBlock(Part, metaclass=Signed):
    pass


def GPT2(*args, **kwargs):
    return Part(1)
