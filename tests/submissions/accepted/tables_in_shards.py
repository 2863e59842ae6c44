# verdict: pass
# style: token table and head in shards of 128 rows
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.h, self.d = num_heads, embed_dim // num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_k = nn.Linear(embed_dim, embed_dim)
        self.to_v = nn.Linear(embed_dim, embed_dim)
        self.to_o = nn.Linear(embed_dim, embed_dim)
        self.drop_a = nn.Dropout(dropout_p)
        self.drop_o = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (f(x).view(B, T, self.h, self.d).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        s = q @ k.mT / math.sqrt(self.d)
        s = s.masked_fill(torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1), float("-inf"))
        y = self.drop_a(s.softmax(-1)) @ v
        return self.drop_o(self.to_o(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim), nn.Dropout(dropout_p)
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    SHARD = 128

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        rows = [min(self.SHARD, vocab_size - s) for s in range(0, vocab_size, self.SHARD)]
        self.tables = nn.ParameterList(nn.Parameter(0.02 * torch.randn(r, embed_dim)) for r in rows)
        self.heads = nn.ModuleList(nn.Linear(embed_dim, r, bias=False) for r in rows)
        self.positions = nn.Parameter(0.02 * torch.randn(1, block_size, embed_dim))
        self.h = nn.ModuleDict(
            {f"layer{i}": TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for i in range(num_layers)}
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, idx):
        x = F.embedding(idx, torch.cat(list(self.tables)))
        x = self.drop(x + self.positions[:, : idx.shape[1]])
        for name in self.h.keys():
            x = self.h[name](x)
        x = self.norm(x)
        return torch.cat([head(x) for head in self.heads], dim=-1)
