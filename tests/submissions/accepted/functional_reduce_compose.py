# verdict: pass
# style: functional programmer: compose, partial, reduce over blocks, no loops
from functools import partial, reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def compose(*fs):
    return lambda x: reduce(lambda acc, f: f(acc), fs, x)


def residual(f, x: Tensor) -> Tensor:
    return add(x, f(x))


def split_heads(h: int, z: Tensor) -> Tensor:
    return z.view(*z.shape[:-1], h, z.shape[-1] // h).movedim(-2, -3)


def join_heads(z: Tensor) -> Tensor:
    return z.movedim(-3, -2).flatten(-2)


def causal(s: Tensor) -> Tensor:
    return s + torch.full(s.shape[-2:], float("-inf"), dtype=s.dtype, device=s.device).triu(1)


def attend(drop, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return drop(F.softmax(causal(q @ k.transpose(-1, -2)), -1)) @ v


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(embed_dim, embed_dim) for _ in "qkvo")
        self.scale = (embed_dim // num_heads) ** -0.25  # on q and on k: their product is d**-0.5
        self.split = partial(split_heads, num_heads)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        scaled = partial(torch.mul, torch.as_tensor(self.scale, dtype=x.dtype, device=x.device))
        return compose(
            lambda x: (compose(self.q, scaled)(x), compose(self.k, scaled)(x), self.v(x)),
            partial(map, self.split),
            lambda qkv: attend(self.drop, *qkv),
            join_heads,
            self.o,
            self.drop,
        )(x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.wide = nn.Linear(embed_dim, 4 * embed_dim)
        self.narrow = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        return compose(self.wide, partial(F.gelu, approximate="tanh"), self.narrow, self.drop)(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        return reduce(
            lambda h, f: residual(f, h),
            (compose(self.n1, self.attn), compose(self.n2, self.mlp)),
            x,
        )


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        make = partial(TransformerBlock, embed_dim, num_heads, block_size, dropout_p)
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.drop, self.norm = nn.Dropout(dropout_p), nn.LayerNorm(embed_dim)
        self.blocks = nn.ModuleList(map(lambda _: make(), range(num_layers)))
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx: Tensor) -> Tensor:
        return self.tok(idx) + self.pos(torch.arange(idx.shape[-1], device=idx.device))

    def forward(self, idx: Tensor) -> Tensor:
        return compose(self.embed, self.drop, *self.blocks, self.norm, self.unembed)(idx)
