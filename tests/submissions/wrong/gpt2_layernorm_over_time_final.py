# verdict: fail
# part: GPT2
# cause: layernorm-over-time
# style: hand-written final norm, mean and variance taken over time as well as over features
import math

import torch
import torch.nn.functional as F
from torch import nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.gamma = nn.Parameter(torch.ones(embed_dim))
        self.beta = nn.Parameter(torch.zeros(embed_dim))
        self.head = nn.Linear(embed_dim, vocab_size)

    def normalize(self, x):
        mean = x.mean(dim=(1, 2), keepdim=True)
        var = x.var(dim=(1, 2), unbiased=False, keepdim=True)
        return (x - mean) / torch.sqrt(var + 1e-5) * self.gamma + self.beta

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb(torch.arange(idx.shape[1], device=idx.device))
        x = self.blocks(x)
        return self.head(self.normalize(x))


class Residual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention = Residual(embed_dim, attention)
        self.mlp = Residual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attention(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        x = self.dropout(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        h, d = self.num_heads, self.head_dim

        def fold(z):  # heads go into the batch
            z = z.reshape(b, t, h, d).transpose(1, 2)
            return z.reshape(b * h, t, d)

        q, k, v = (fold(z) for z in self.in_proj(x).split(c, dim=-1))
        w = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(d)
        keep = torch.ones(t, t, device=x.device).tril().bool()
        w = w.masked_fill(~keep, float("-inf"))
        w = self.dropout(F.softmax(w, dim=2))
        y = torch.bmm(w, v).view(b, h, t, d)
        y = y.transpose(1, 2).reshape(b, t, c)
        return self.dropout(self.out_proj(y))
