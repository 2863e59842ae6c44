# verdict: pass
# style: a cache that points to the one before it, past and new tokens merged by their log-sum-exp
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Chunk:
    keys: list[Tensor]  # per layer, (B, T, H, D)
    values: list[Tensor]
    before: Optional["Chunk"]

    def __len__(self) -> int:
        return self.keys[0].shape[1] + (len(self.before) if self.before else 0)

    def all(self):
        node = self
        while node is not None:
            yield node
            node = node.before


class Attention(nn.Module):
    def __init__(self, width, heads, rate):
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(rate)

    def forward(self, x, pasts):
        b, t, c = x.shape
        q, k, v = self.into(x).view(b, t, self.heads, 3, c // self.heads).unbind(3)
        q = q / q.shape[-1] ** 0.5
        parts = [self.part(q, k, v, True)] + [self.part(q, *past, False) for past in pasts]
        total = torch.stack([lse for _, lse in parts]).logsumexp(0)
        y = sum(z * (lse - total).exp()[..., None] for z, lse in parts)
        return self.drop(self.out(self.drop(y).reshape(b, t, c))), k, v

    @staticmethod
    def part(q, k, v, causal):
        s = torch.einsum("bqhd,bkhd->bqhk", q, k)
        if causal:
            t = q.shape[1]
            future = torch.ones(t, t, dtype=torch.bool).triu(1)
            s = s.masked_fill(future[None, :, None], float("-inf"))
        lse = s.logsumexp(-1)
        return torch.einsum("bqhk,bkhd->bqhd", (s - lse[..., None]).exp(), v), lse


class Block(nn.Module):
    def __init__(self, width, heads, rate):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, rate)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width), nn.Dropout(rate))


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList([Block(embed_dim, num_heads, dropout_p) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx, cache: Optional[Chunk] = None):
        start = len(cache) if cache is not None else 0
        end = start + idx.shape[1]
        if end > self.places.num_embeddings:
            raise ValueError("the text is longer than block_size")
        x = self.tokens(idx) + self.places.weight[start:end]
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            pasts = [(c.keys[i], c.values[i]) for c in (cache.all() if cache is not None else ())]
            y, k, v = block.attention(block.n1(x), pasts)
            x = x + y
            x = x + block.mlp(block.n2(x))
            keys.append(k)
            values.append(v)
        return self.head(self.norm(x)), Chunk(keys, values, cache)
