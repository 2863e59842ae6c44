# verdict: fail
# part: MLP
# cause: quick-gelu
# style: tanh GELU by hand with x ** 2 where x ** 3 belongs: another near GELU
import math

import torch
import torch.nn.functional as F
from torch import nn


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.norm(x))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.W_qkv = nn.Parameter(0.02 * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.W_o = nn.Parameter(0.02 * torch.randn(embed_dim, embed_dim))
        self.b_o = nn.Parameter(torch.zeros(embed_dim))
        self.num_heads = num_heads
        self.p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = torch.chunk(x @ self.W_qkv + self.b_qkv, 3, dim=-1)
        q = q.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        k = k.reshape(B, T, self.num_heads, D).permute(0, 2, 3, 1)
        v = v.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        a = q @ k / math.sqrt(D)
        a = a + torch.triu(torch.full_like(a, -1e9), diagonal=1)
        a = F.dropout(torch.softmax(a, dim=-1), self.p, training=self.training)
        return (a @ v).permute(0, 2, 1, 3).reshape(B, T, C) @ self.W_o + self.b_o


class GELU(nn.Module):
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))"""

    def forward(self, x):
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(2))
        return 0.5 * x * (1 + torch.tanh(inner))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.act = GELU()
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.down(self.act(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.steps = nn.ModuleList(
            [
                PreNorm(
                    embed_dim, CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
                ),
                PreNorm(embed_dim, MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x):
        for branch in self.steps:
            x = x + branch(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.trunk = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions[: idx.size(1)]
        return self.unembed(self.ln(self.trunk(x)))
