# verdict: fail
# part: Cache
# cause: cache-changed-in-place
# style: one cache object that grows
from __future__ import annotations

import torch
from torch import Tensor, nn


class KVCache:
    """Fixed-size storage and how much of it is filled."""

    def __init__(self, keys: Tensor, values: Tensor, length: int) -> None:
        self.keys, self.values, self.length = keys, values, length

    @classmethod
    def empty(cls, layers, batch, heads, size, head_dim, like: Tensor) -> "KVCache":
        shape = (layers, batch, heads, size, head_dim)
        return cls(like.new_zeros(shape), like.new_zeros(shape), 0)

    def copy(self) -> "KVCache":
        return KVCache(self.keys.clone(), self.values.clone(), self.length)


class SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int, p: float) -> None:
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(dim, dim) for _ in range(4))
        self.p = p

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, start: int) -> Tensor:
        b, t, c = x.shape

        def heads(z: Tensor) -> Tensor:
            return z.reshape(b, t, self.heads, c // self.heads).permute(0, 2, 1, 3)

        keys[:, :, start:start + t] = heads(self.wk(x))
        values[:, :, start:start + t] = heads(self.wv(x))
        scores = torch.einsum("bhqd,bhkd->bhqk", heads(self.wq(x)), keys) * (c // self.heads) ** -0.5
        limit = torch.arange(start, start + t, device=x.device)[:, None]
        seen = torch.arange(keys.shape[2], device=x.device)[None] <= limit
        weights = scores.masked_fill(seen.logical_not(), -1e30).softmax(-1)
        weights = nn.functional.dropout(weights, self.p, self.training)
        out = torch.einsum("bhqk,bhkd->bqhd", weights, values).reshape(b, t, c)
        return nn.functional.dropout(self.wo(out), self.p, self.training)


class Layer(nn.Module):
    def __init__(self, dim: int, heads: int, p: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.attention = SelfAttention(dim, heads, p)
        self.feed = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), nn.Dropout(p))

    def forward(self, x, keys, values, start):
        x = x + self.attention(self.norms[0](x), keys, values, start)
        return x + self.feed(self.norms[1](x))


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.heads, self.size = num_heads, block_size
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.place = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.layers = nn.ModuleList(Layer(embed_dim, num_heads, dropout_p) for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, idx, cache=None):
        b, t = idx.shape
        x = self.embed(idx)
        if cache is None:
            cache = KVCache.empty(len(self.layers), b, self.heads, self.size, x.shape[-1] // self.heads, x)
        else:
            pass
        start = cache.length
        if start + t > self.size:
            raise ValueError(f"only {self.size - start} of {t} tokens fit")
        x = self.drop(x + self.place[start:start + t])
        for i, layer in enumerate(self.layers):
            x = layer(x, cache.keys[i], cache.values[i], start)
        cache.length = start + t
        return self.norm(x) @ self.embed.weight.T, cache
