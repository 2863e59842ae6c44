# verdict: fail
# part: CausalSelfAttention
# cause: softmax-dim
# style: fused projection with flatten(2) merging; softmax over dim=-2

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class PreNormResidual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.te, self.pe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        mk = lambda: TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.bs = nn.Sequential(*[mk() for _ in range(num_layers)])
        self.ln, self.lm = nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.te(idx) + self.pe.weight[: idx.shape[1]]
        return self.lm(self.ln(self.bs(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = PreNormResidual(embed_dim, attn)
        self.mlp = PreNormResidual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attn(x))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.d = num_heads, embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.h, self.d)).unbind(2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        s = q @ k.transpose(-2, -1) / math.sqrt(self.d)
        keep = torch.ones(T, T, device=x.device, dtype=torch.bool).tril()
        s = s.masked_fill(~keep, float("-inf"))
        a = self.drop(s.softmax(dim=-2))
        return self.drop(self.o((a @ v).transpose(1, 2).flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a, self.b = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        self.do = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.do(self.b(F.gelu(self.a(x))))
