# verdict: pass
# style: of a review, r4 chunks
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Iterator, Optional
import math
import torch
from torch import nn, Tensor


@dataclass(frozen=True, eq=False)
class Cache:
    """A persistent linked list: what was read before, and the chunk read by one call."""
    before: Optional[Cache]
    chunk: tuple[tuple[Tensor, Tensor], ...]
    length: int

    def back(self) -> Iterator[Cache]:
        node: Optional[Cache] = self
        while node is not None:
            yield node
            node = node.before

    def layer(self, i: int) -> list[tuple[Tensor, Tensor]]:
        return [node.chunk[i] for node in self.back()][::-1]


class Norm(nn.Module):
    def __init__(self, n: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n))
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        mu = x.mean(-1, keepdim=True)
        c = x - mu
        return c * torch.rsqrt(c.pow(2).mean(-1, keepdim=True) + 1e-5) * self.gain + self.bias


class Head(nn.Module):
    def __init__(self, width: int, d: int):
        super().__init__()
        self.query = nn.Linear(width, d)
        self.key = nn.Linear(width, d)
        self.value = nn.Linear(width, d)


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, p: float):
        super().__init__()
        d = width // heads
        self.heads = nn.ModuleList(Head(width, d) for _ in range(heads))
        self.proj = nn.Linear(width, width)
        self.fc = nn.Linear(width, 4 * width)
        self.act = nn.GELU("tanh")
        self.fc2 = nn.Linear(4 * width, width)
        self.norm_a, self.norm_b = Norm(width), Norm(width)
        self.drop = nn.Dropout(p)

    def forward(self, x: Tensor, past: list[tuple[Tensor, Tensor]]):
        h = self.norm_a(x)
        T = x.size(1)
        ks = torch.stack([hd.key(h) for hd in self.heads], 1)
        vs = torch.stack([hd.value(h) for hd in self.heads], 1)
        qs = torch.stack([hd.query(h) for hd in self.heads], 1)
        # the past is visible to all; the new chunk is causal
        scores = [qs @ k.transpose(-1, -2) for k, _ in past]
        own = qs @ ks.transpose(-1, -2)
        own = own + torch.full((T, T), float("-inf"), dtype=own.dtype).triu(1)
        w = torch.softmax(torch.cat(scores + [own], -1) / math.sqrt(ks.size(-1)), -1)
        w = self.drop(w)
        v = torch.cat([v for _, v in past] + [vs], 2)
        y = torch.cat((w @ v).unbind(1), -1)
        x = x + self.drop(self.proj(y))
        x = x + self.drop(self.fc2(self.act(self.fc(self.norm_b(x)))))
        return x, (ks, vs)


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.limit = block_size
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(Layer(embed_dim, num_heads, dropout_p) for _ in range(num_layers))
        self.norm = Norm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, idx: Tensor, cache: Optional[Cache] = None):
        start = cache.length if cache else 0
        end = start + idx.size(-1)
        if end > self.limit:
            raise ValueError(f"cannot read up to token {end}: block_size is {self.limit}")
        x = self.drop(self.tokens(idx) + self.positions(torch.arange(start, end)))
        chunk = []
        for i, layer in enumerate(self.layers):
            x, kv = layer(x, cache.layer(i) if cache else [])
            chunk.append(kv)
        return self.out(self.norm(x)), Cache(cache, tuple(chunk), end)
