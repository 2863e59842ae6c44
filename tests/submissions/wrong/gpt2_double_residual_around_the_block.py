# verdict: fail
# part: GPT2
# cause: double-residual
# style: adds x to what the block returns, though the block has its residuals inside
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        std = embed_dim**-0.5
        self.w_qkv = nn.Parameter(std * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.w_out = nn.Parameter(std * torch.randn(embed_dim, embed_dim))
        self.b_out = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        batch, length, width = x.shape
        heads, size = self.num_heads, width // self.num_heads
        qkv = (x @ self.w_qkv + self.b_qkv).view(batch, length, 3 * heads, size)
        q, k, v = qkv.transpose(1, 2).chunk(3, dim=1)
        att = q @ k.transpose(-1, -2) / size**0.5
        minus_inf = torch.full_like(att, -math.inf)
        att = att + minus_inf.triu(1)
        att = F.dropout(att.softmax(-1), self.dropout_p, self.training)
        y = (att @ v).transpose(1, 2).reshape(batch, length, width)
        return F.dropout(y @ self.w_out + self.b_out, self.dropout_p, self.training)


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.norm(x))
