# verdict: pass
# style: bare parameters of several axes, einsum, norms and activation by hand

import math

import torch
from torch import nn


def weights(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.02)


def gelu(z):
    return 0.5 * z * (1 + torch.erf(z / math.sqrt(2)))


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return centred * torch.rsqrt(variance + 1e-5) * self.scale + self.shift


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        width = embed_dim // num_heads
        self.q = weights(num_heads, embed_dim, width)
        self.k = weights(num_heads, embed_dim, width)
        self.v = weights(num_heads, embed_dim, width)
        self.o = weights(num_heads, width, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        future = torch.full((block_size, block_size), -torch.inf).triu(1)
        self.register_buffer("bias", future)

    def forward(self, x):
        T = x.shape[1]
        q = torch.einsum("btc,hcd->bhtd", x, self.q)
        k = torch.einsum("btc,hcd->bhtd", x, self.k)
        v = torch.einsum("btc,hcd->bhtd", x, self.v)
        scores = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.shape[-1])
        scores = scores + self.bias[:T, :T]
        mixed = torch.einsum("bhts,bhsd->bhtd", self.drop(scores.softmax(-1)), v)
        return torch.einsum("bhtd,hdc->btc", mixed, self.o)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.w1 = weights(embed_dim, hidden)
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = weights(hidden, embed_dim)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = gelu(x @ self.w1 + self.b1)
        return self.drop(h @ self.w2 + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = Norm(embed_dim), Norm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.n1(x))
        x = x + self.mlp(self.n2(x))
        return x


class GPT2(nn.Module):
    def __init__(
        self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0
    ):
        super().__init__()
        self.wte = weights(vocab_size, embed_dim)
        self.wpe = weights(block_size, embed_dim)
        self.h = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        )
        self.ln = Norm(embed_dim)
        self.head = weights(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.wte[idx] + self.wpe[: idx.shape[1]]
        for block in self.h:
            x = block(x)
        return self.ln(x) @ self.head
