
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


def linear(inputs, outputs):
    return weight_norm(nn.Linear(inputs, outputs))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query = linear(embed_dim, embed_dim)
        self.key = linear(embed_dim, embed_dim)
        self.value = linear(embed_dim, embed_dim)
        self.out = linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (
            t.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
            for t in (self.query(x), self.key(x), self.value(x))
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = self.dropout(scores.masked_fill(future, float("-inf")).softmax(-1))
        y = (weights @ v).transpose(1, 2).reshape(B, T, C)
        return self.dropout(self.out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = linear(embed_dim, 4 * embed_dim)
        self.down = linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tokens(idx) + self.positions(torch.arange(T, device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
