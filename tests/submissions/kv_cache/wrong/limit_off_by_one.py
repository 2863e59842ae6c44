# verdict: fail
# part: Pieces
# cause: limit-too-low
# style: block_size itself is refused
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class KV(NamedTuple):
    k: Tensor
    v: Tensor

    def extend(self, k: Tensor, v: Tensor) -> KV:
        return KV(torch.cat((self.k, k), 1), torch.cat((self.v, v), 1))


class Past(NamedTuple):
    layers: tuple[KV, ...]
    position: int


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """q (B, T, C), k and v (B, S, C), heads never leave the last axis."""
    (b, t, c), s = q.shape, k.shape[1]
    q, k, v = q.view(b, t, heads, -1), k.view(b, s, heads, -1), v.view(b, s, heads, -1)
    logits = torch.einsum("bthd,bshd->btsh", q, k).div((c / heads) ** 0.5)
    rows = torch.arange(s - t, s).view(1, t, 1, 1)
    columns = torch.arange(s).view(1, 1, s, 1)
    logits = logits.where(columns <= rows, torch.full_like(logits, -torch.inf))
    return torch.einsum("btsh,bshd->bthd", logits.softmax(2), v).reshape(b, t, c)


class Block(nn.Module):
    def __init__(self, dim: int, heads: int, p: float) -> None:
        super().__init__()
        self.heads = heads
        self.ln_a, self.ln_m = nn.LayerNorm(dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim, bias=i > 1) for i in range(4))
        self.m1, self.m2 = nn.Linear(dim, dim * 4), nn.Linear(dim * 4, dim)
        self.act, self.drop = nn.GELU(), nn.Dropout(p)

    def forward(self, x: Tensor, past: KV | None) -> tuple[Tensor, KV]:
        h = self.ln_a(x)
        kv = KV(self.k(h), self.v(h)) if past is None else past.extend(self.k(h), self.v(h))
        x = x + self.drop(self.o(attention(self.q(h), kv.k, kv.v, self.heads)))
        return x + self.drop(self.m2(self.act(self.m1(self.ln_m(x))))), kv


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(*[Block(embed_dim, num_heads, dropout_p) for _ in range(num_layers)])
        self.final = nn.LayerNorm(embed_dim, eps=1e-8)
        self.block_size = block_size

    def forward(self, idx: Tensor, cache: Past | None = None) -> tuple[Tensor, Past]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and cache is None):
            start = cache.position if cache else 0
            stop = start + idx.shape[-1]
            if stop >= self.block_size:
                raise ValueError(f"block_size={self.block_size}, asked for {stop}")
            x = self.wte(idx) + self.wpe(torch.arange(start, stop, device=idx.device))
            kept: list[KV] = []
            for n, block in enumerate(self.blocks):
                x, kv = block(x, cache.layers[n] if cache else None)
                kept.append(KV(kv.k.detach(), kv.v.detach()))
            return self.final(x) @ self.wte.weight.mT, Past(tuple(kept), stop)
