# verdict: fail
# group: 5
# status: fail
# tries: NaN, infinities and 1e308, with which differences and comparisons come out as nothing
import torch
from torch import nn

NAN, INF = float("nan"), float("inf")


class Odd(torch.autograd.Function):
    """NaN forwards and as a gradient."""

    @staticmethod
    def forward(ctx, x):
        return torch.full_like(x, NAN)

    @staticmethod
    def backward(ctx, gradient):
        return torch.full_like(gradient, NAN)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return Odd.apply(self.out(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return torch.full_like(x, INF)


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return torch.full_like(x, 1e308)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return self.head(self.tokens(idx)) * -INF
