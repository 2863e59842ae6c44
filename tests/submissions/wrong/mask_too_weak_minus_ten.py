# verdict: fail
# part: CausalSelfAttention
# cause: mask-too-weak
# style: additive penalty of -10 on future scores

"""A small GPT-2: attention, MLP, block, model."""

import math
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wk = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wv = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wo = nn.Linear(embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        penalty = -10.0 * torch.triu(torch.ones(block_size, block_size), diagonal=1)
        self.register_buffer("penalty", penalty)

    def forward(self, x):
        B, T, C = x.shape
        D = C // self.num_heads
        q = self.wq(x).view(B, T, self.num_heads, D).transpose(1, 2)
        k = self.wk(x).view(B, T, self.num_heads, D).transpose(1, 2)
        v = self.wv(x).view(B, T, self.num_heads, D).transpose(1, 2)
        logits = q @ k.transpose(-2, -1) / math.sqrt(D) + self.penalty[:T, :T]
        probs = self.drop(F.softmax(logits, dim=-1))
        y = (probs @ v).transpose(1, 2).reshape(B, T, C)
        return self.drop(self.wo(y))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("fc_in", nn.Linear(embed_dim, 4 * embed_dim)),
                    ("act", nn.GELU()),
                    ("fc_out", nn.Linear(4 * embed_dim, embed_dim)),
                    ("drop", nn.Dropout(dropout_p)),
                ]
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        return self.layers(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)
        self.to_logits.weight = self.token.weight

    def num_params(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("sequence longer than block_size")
        where = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        x = self.token(idx) + self.position(where)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))

    @torch.no_grad()
    def generate(self, idx, n_new):
        for _ in range(n_new):
            logits = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx
