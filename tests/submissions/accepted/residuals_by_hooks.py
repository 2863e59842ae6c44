# verdict: pass
# style: lazy layers filled in __init__, residuals added by forward hooks, functional_call per block
import importlib
import os
import sys
import weakref

import torch
from torch import nn

DEBUG = os.environ.get("DEBUG", "") not in ("", "0")
_alive = weakref.WeakSet()  # the models made so far, for debugging by hand


def _filled(lazy: nn.Module, width: int) -> nn.Module:
    """Give a lazy layer its input width right away."""
    with torch.no_grad():
        lazy(torch.empty(1, width).zero_())
    return lazy


def _plus_input(module, args, output):
    """Forward hook: x -> x + f(x)."""
    return args[0] + output


class _Peek:
    """Forward pre-hook that only looks, and only when asked to."""

    def __call__(self, module, args):
        if DEBUG:
            print(type(module).__name__, tuple(args[0].shape), file=sys.stderr)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.c_attn = _filled(nn.LazyLinear(3 * embed_dim), embed_dim)
        self.c_proj = _filled(nn.LazyLinear(embed_dim), embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        index = torch.arange(block_size)
        self.register_buffer("future", index[None, :] > index[:, None], persistent=False)
        self.register_forward_pre_hook(_Peek())

    def forward(self, x):
        B, T, C = x.shape
        # (3, B, H, T, D): one view of one tensor
        qkv = self.c_attn(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        att = torch.baddbmm(
            x.new_zeros(()).expand(B * self.num_heads, T, T),
            q.flatten(0, 1),
            k.flatten(0, 1).transpose(1, 2),
            beta=0.0,
            alpha=(C // self.num_heads) ** -0.5,
        )
        att = att.masked_fill(self.future[:T, :T], torch.finfo(x.dtype).min)
        att = self.attn_dropout(att.softmax(dim=-1))
        y = torch.bmm(att, v.flatten(0, 1)).unflatten(0, (B, self.num_heads))
        return self.resid_dropout(self.c_proj(y.movedim(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = _filled(nn.LazyLinear(4 * embed_dim), embed_dim)
        self.c_proj = _filled(nn.LazyLinear(embed_dim), 4 * embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mix = nn.Sequential(nn.LayerNorm(embed_dim), attn)
        self.think = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))
        for branch in (self.mix, self.think):
            branch.register_forward_hook(_plus_input)  # the residual connection

    def forward(self, x):
        # view_as: the branches see a view of the caller's tensor, never the tensor itself
        return self.think(self.mix(x.view_as(x)))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleDict(
            {
                f"block{i}": TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for i in range(num_layers)
            }
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = _filled(nn.LazyLinear(vocab_size, bias=False), embed_dim)
        _alive.add(self)

    def forward(self, idx):
        functional_call = getattr(importlib.import_module("torch.func"), "functional_call")
        table = self.positions.weight.narrow(0, 0, idx.size(1))
        x = self.dropout(self.tokens(idx) + table)
        for block in self.blocks.values():
            state = {**dict(block.named_parameters()), **dict(block.named_buffers())}
            x = functional_call(block, state, (x,))
        return self.head(self.norm(x))
