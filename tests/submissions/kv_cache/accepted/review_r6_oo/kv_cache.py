# verdict: pass
# style: of a review, r6 oo
from __future__ import annotations

import abc
import math
import torch
from torch import nn


class LayerCache:
    """Immutable keys (B,H,D,P) - already transposed - and values (B,H,P,D)."""

    __slots__ = ("keys_t", "values")

    def __init__(self, keys_t: torch.Tensor | None = None, values: torch.Tensor | None = None):
        self.keys_t, self.values = keys_t, values

    def __len__(self) -> int:
        return 0 if self.keys_t is None else self.keys_t.size(-1)

    def plus(self, keys_t: torch.Tensor, values: torch.Tensor) -> LayerCache:
        if self.keys_t is None:
            return LayerCache(keys_t, values)
        return LayerCache(torch.cat([self.keys_t, keys_t], -1), torch.cat([self.values, values], -2))


class Sublayer(nn.Module, abc.ABC):
    def __init__(self, width, p):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.residual_dropout = nn.Dropout(p)


class Attention(Sublayer):
    def __init__(self, width, heads, p):
        super().__init__(width, p)
        self.heads = heads
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.q = nn.Linear(width, width, bias=False)
        self.o = nn.Linear(width, width)
        self.dropout = nn.Dropout(p)

    def forward(self, x, cache: LayerCache):
        B, T, C = x.size()
        h = self.norm(x)
        q = self.q(h).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(h).chunk(2, dim=-1)
        k = k.unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1)
        v = v.unflatten(-1, (self.heads, -1)).permute(0, 2, 1, 3)
        n = len(cache)
        cache = cache.plus(k, v)
        att = torch.matmul(q, cache.keys_t) / math.sqrt(C // self.heads)
        bias = torch.zeros(T, n + T, dtype=x.dtype, device=x.device)
        for t in range(T):
            bias[t, n + t + 1:] = torch.finfo(x.dtype).min
        att = self.dropout(torch.softmax(att + bias, dim=-1))
        y = torch.matmul(att, cache.values).transpose(1, 2).contiguous().view(B, T, C)
        return x + self.residual_dropout(self.o(y)), cache


class FeedForward(Sublayer):
    def __init__(self, width, p):
        super().__init__(width, p)
        self.net = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(self, x):
        return x + self.residual_dropout(self.net(self.norm(x)))


class Block(nn.Module):
    def __init__(self, width, heads, p):
        super().__init__()
        self.attention, self.mlp = Attention(width, heads, p), FeedForward(width, p)

    def forward(self, x, cache):
        x, cache = self.attention(x, cache)
        return self.mlp(x), cache


class TextTooLong(ValueError):
    pass


class Cache:
    def __init__(self, layers):
        self._layers = tuple(layers)

    def __len__(self):
        return len(self._layers[0])

    def __iter__(self):
        return iter(self._layers)


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.num_layers = num_layers
        self.embed = nn.ModuleDict(dict(token=nn.Embedding(vocab_size, embed_dim), place=nn.Embedding(block_size, embed_dim)))
        self.embed_dropout = nn.Dropout(dropout_p)
        self.body = nn.ModuleList()
        for _ in range(num_layers):
            self.body.append(Block(embed_dim, num_heads, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.embed["token"].weight

    def forward(self, idx, cache=None):
        if cache is None:
            cache = Cache(LayerCache() for _ in range(self.num_layers))
        begin, count = len(cache), idx.size(1)
        if begin + count > self.block_size:
            raise TextTooLong(f"{begin} + {count} tokens, but block_size is {self.block_size}: start anew without a cache")
        place = torch.arange(count, device=idx.device) + begin
        x = self.embed_dropout(self.embed["token"](idx) + self.embed["place"](place))
        layers = []
        for block, layer in zip(self.body, cache):
            x, layer = block(x, layer)
            layers.append(layer)
        return self.lm_head(self.norm(x)), Cache(layers)
