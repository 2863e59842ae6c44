# verdict: pass
# style: own autograd.Functions for GELU and norm, parametrized Linears, an einops-like helper
import functools
import math
import platform
import random
import re
import time

import torch
import torch.nn as nn
from torch.nn.utils import parametrize

STARTED = time.strftime("%H:%M:%S")
LUCKY = random.Random(platform.python_implementation()).choice(("heads", "tails"))


# ---- a small einops ------------------------------------------------------------------------
@functools.lru_cache(maxsize=None)
def _parse(side):
    groups = re.findall(r"\(([^)]*)\)|(\w+)", side)
    return tuple(tuple((many or one).split()) for many, one in groups)


def rearrange(x, pattern, **sizes):
    left, right = (_parse(s.strip()) for s in pattern.split("->"))
    shape = []
    for group, size in zip(left, x.shape):
        free = [n for n in group if n not in sizes]
        known = math.prod(sizes[n] for n in group if n in sizes)
        assert len(free) <= 1 and size % known == 0, pattern
        sizes.update({n: size // known for n in free})
        shape += [sizes[n] for n in group]
    names = [n for g in left for n in g]
    x = x.reshape(shape).permute([names.index(n) for g in right for n in g])
    return x.reshape([math.prod(sizes[n] for n in g) for g in right])


# ---- functions with a backward of their own ------------------------------------------------
class Gelu(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * torch.special.ndtr(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def slope(x):
        return torch.special.ndtr(x) + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    @staticmethod
    def backward(ctx, g):
        return g * Gelu.slope(*ctx.saved_tensors)

    @staticmethod
    def jvp(ctx, dx):
        return dx * Gelu.slope(*ctx.saved_tensors)


class Standardise(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) over the last axis."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, eps):
        return (x - x.mean(-1, keepdim=True)) * Standardise.rstd(x, eps)

    @staticmethod
    def rstd(x, eps):
        return torch.rsqrt(x.var(-1, keepdim=True, unbiased=False) + eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.eps = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def jacobian(x, g, eps):  # symmetric: the same forwards and backwards
        r = Standardise.rstd(x, eps)
        n = (x - x.mean(-1, keepdim=True)) * r
        return r * (g - g.mean(-1, keepdim=True) - n * (g * n).mean(-1, keepdim=True))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return Standardise.jacobian(x, g, ctx.eps), None

    @staticmethod
    def jvp(ctx, dx, _):
        (x,) = ctx.saved_tensors
        return Standardise.jacobian(x, dx, ctx.eps)


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(dim))
        self.shift = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        return torch.addcmul(self.shift, Standardise.apply(x, self.eps), self.gain)


# ---- GPT-2 keeps its matrices as (in, out): a parametrization does so here ------------------
class InOut(nn.Module):
    def forward(self, stored):
        return stored.t()

    def right_inverse(self, weight):
        return weight.t().contiguous()


def conv1d(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return parametrize.register_parametrization(layer, "weight", InOut())


# ---- the four classes ----------------------------------------------------------------------
class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.into = conv1d(embed_dim, 3 * embed_dim)
        self.out = conv1d(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        q, k, v = rearrange(self.into(x), "b t (r h d) -> r b h t d", r=3, h=self.heads)
        s = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])
        i = torch.arange(x.shape[1], device=x.device)
        s = torch.where(i[:, None] >= i, s, -math.inf)
        p = self.dropout(s.softmax(-1))
        y = torch.einsum("bhij,bhjd->bhid", p, v)
        return self.dropout(self.out(rearrange(y, "b h t d -> b t (h d)")))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.wide = conv1d(embed_dim, 4 * embed_dim)
        self.back = conv1d(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.back(Gelu.apply(self.wide(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        with parametrize.cached():
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.empty(1, block_size, embed_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.Sequential()
        for i in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.blocks.add_module(f"layer_{i}", block)
        self.norm = LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.dropout(self.tok(idx) + self.pos[:, : idx.shape[1]])
        return self.head(self.norm(self.blocks(x)))
