# verdict: pass
# style: a cache is a chain of pieces, each of which knows the one before; joined where it is read
from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F


class Link:
    """The keys and values that one call made, in all layers, and the link before."""

    def __init__(self, before: Link | None, made: list[tuple[torch.Tensor, torch.Tensor]]):
        self.before, self.made = before, made
        self.end = made[0][0].size(-2) + (before.end if before else 0)

    def of_layer(self, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        links, link = [], self
        while link is not None:
            links.append(link.made[number])
            link = link.before
        return links[::-1]


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size, self.num_heads, self.p = block_size, num_heads, dropout_p
        C = embed_dim
        self.token = nn.Embedding(vocab_size, C)
        self.position = nn.Embedding(block_size, C)
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(2 * num_layers + 1))
        self.inward = nn.ModuleList(nn.Linear(C, 3 * C) for _ in range(num_layers))
        self.outward = nn.ModuleList(nn.Linear(C, C) for _ in range(num_layers))
        self.up = nn.ModuleList(nn.Linear(C, 4 * C) for _ in range(num_layers))
        self.down = nn.ModuleList(nn.Linear(4 * C, C) for _ in range(num_layers))
        self.head = nn.Linear(C, vocab_size)

    def drop(self, x):
        return F.dropout(x, self.p, self.training)

    def attend(self, n, x, cache):
        split = self.inward[n](x).unflatten(-1, (3, self.num_heads, -1))  # (B, T, 3, H, D)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        links = [*(cache.of_layer(n) if cache else []), (k, v)]
        keys, values = (torch.cat(parts, -2) for parts in zip(*links))
        scores = q @ keys.mT / q.size(-1) ** 0.5
        seen = torch.ones_like(scores, dtype=torch.bool).tril(keys.size(-2) - q.size(-2))
        weights = self.drop(scores.where(seen, float("-inf")).softmax(-1))
        return self.drop(self.outward[n]((weights @ values).transpose(1, 2).flatten(2))), (k, v)

    def forward(self, idx, cache=None):
        start = cache.end if cache else 0
        if idx.size(1) > self.block_size - start:
            raise ValueError(f"{start} + {idx.size(1)} tokens, but block_size is {self.block_size}")
        where = torch.arange(start, start + idx.size(1), device=idx.device)
        x, made = self.drop(self.token(idx) + self.position(where)), []
        for n in range(len(self.inward)):
            y, kept = self.attend(n, self.norms[2 * n](x), cache)
            made.append(kept)
            x = x + y
            x = x + self.drop(self.down[n](F.gelu(self.up[n](self.norms[2 * n + 1](x)))))
        return self.head(self.norms[-1](x)), Link(cache, made)
