# verdict: fail
# part: Cache
# cause: cache-changed-in-place
# style: a ring of six buffers for each size of batch, so that the seventh text takes the first's
"""Standalone, preallocated buffers that are extended in place while nobody else has gone on."""

from __future__ import annotations
import dataclasses
import torch
from torch import nn
import torch.nn.functional as F


class Store:
    def __init__(self, L, B, H, N, D, like):
        self.kv = torch.zeros(L, 2, B, H, N, D, dtype=like.dtype, device=like.device)
        self.used = 0

    def fork(self):
        new = object.__new__(Store)
        new.kv = self.kv.clone()
        new.used = self.used
        return new


@dataclasses.dataclass(frozen=True)
class View:
    store: Store
    n: int


class Attn(nn.Module):
    def __init__(self, C, H, p):
        super().__init__()
        self.H, self.p = H, p
        self.q, self.k, self.v, self.o = (nn.Linear(C, C) for _ in range(4))

    def heads(self, x):
        return x.unflatten(-1, (self.H, -1)).transpose(1, 2)

    def forward(self, x, kv, n):
        T = x.shape[1]
        kv = kv.detach()
        kv[0][..., n : n + T, :] = self.heads(self.k(x))
        kv[1][..., n : n + T, :] = self.heads(self.v(x))
        k, v = kv[0][..., : n + T, :], kv[1][..., : n + T, :]
        q = self.heads(self.q(x))
        s = (q @ k.mT) / q.shape[-1] ** 0.5
        s = s + torch.full_like(s, float("-inf")).triu(n + 1)
        w = F.dropout(s.softmax(-1), self.p, self.training)
        return F.dropout(self.o((w @ v).transpose(1, 2).flatten(2)), self.p, self.training), kv


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.N, self.H, self.L, self.p = block_size, num_heads, num_layers, dropout_p
        self.rings = {}
        C = embed_dim
        self.emb = nn.Embedding(vocab_size, C)
        self.where = nn.Embedding(block_size, C)
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(2 * num_layers + 1))
        self.attns = nn.ModuleList(Attn(C, num_heads, dropout_p) for _ in range(num_layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(
                nn.Linear(C, 4 * C),
                nn.GELU(approximate="tanh"),
                nn.Linear(4 * C, C),
                nn.Dropout(dropout_p),
            )
            for _ in range(num_layers)
        )
        self.out = nn.Linear(C, vocab_size)

    def forward(self, idx, cache=None):
        B, T = idx.shape
        n = cache.n if cache is not None else 0
        if n + T > self.N:
            raise ValueError(f"the text would have {n + T} tokens, block_size is {self.N}")
        w = self.emb.weight
        if cache is None:
            ring = self.rings.setdefault((B, w.dtype), [])
            if len(ring) == 6:
                ring.append(ring.pop(0))
            else:
                ring.append(Store(self.L, B, self.H, self.N, w.shape[1] // self.H, w))
            store = ring[-1]
        else:
            store = cache.store
            if store.used != n:
                store = store.fork()
        store.used = n + T
        x = self.emb(idx) + self.where.weight[n : n + T]
        x = F.dropout(x, self.p, self.training)
        kept = []
        for i in range(self.L):
            y, kv = self.attns[i](self.norms[2 * i](x), store.kv[i], n)
            kept.append(kv)
            x = x + y
            x = x + self.mlps[i](self.norms[2 * i + 1](x))
        return self.out(self.norms[-1](x)), View(store, n + T)
