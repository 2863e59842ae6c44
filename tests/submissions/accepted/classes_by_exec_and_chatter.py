# verdict: pass
# style: classes by exec, types.new_class and dataclass; lazy checkpoint in training; import chatter
from __future__ import annotations

import collections
import dataclasses
import functools
import logging
import os
import platform
import random
import textwrap
import time
import types

import torch
import torch.nn as nn

_T0 = time.perf_counter()
_RUN = random.Random(time.time_ns()).getrandbits(32)  # a generator of its own
log = logging.getLogger("gpt2")
if os.environ.get("GPT2_VERBOSE"):
    log.setLevel(logging.DEBUG)
log.debug("run %08x on %s, python %s", _RUN, platform.machine(), platform.python_version())

Heads = collections.namedtuple("Heads", "q k v")
Norm = functools.partial(nn.LayerNorm, eps=1e-5)
Linear = functools.partial(nn.Linear, bias=True)

# ---- attention: its text is filled in from a template --------------------------------------
_ATTENTION = textwrap.dedent(
    '''
    class CausalSelfAttention(nn.Module):
        """Multi-head causal self-attention."""

        def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
            super().__init__()
            self.num_heads = num_heads
            self.scale = (embed_dim // num_heads) ** -0.5
    {make}
            self.out = Linear(embed_dim, embed_dim)
            self.drop = nn.Dropout(dropout_p)

        def split(self, x):
            b, t, c = x.shape
            return Heads(*(f(x).view(b, t, self.num_heads, c // self.num_heads).transpose(1, 2)
                           for f in ({call})))

        def forward(self, x):
            h = self.split(x)
            t = x.shape[1]
            s = torch.matmul(h.q * self.scale, h.k.mT)
            seen = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
            p = self.drop(torch.softmax(s.where(seen, -torch.inf), dim=-1))
            return self.drop(self.out(torch.matmul(p, h.v).transpose(1, 2).flatten(2)))
    '''
).format(
    make="\n".join(f"        self.{r} = Linear(embed_dim, embed_dim)" for r in Heads._fields),
    call=", ".join(f"self.{r}" for r in Heads._fields),
)
exec(compile(_ATTENTION, "<attention>", "exec"))


# ---- MLP: made by types.new_class ----------------------------------------------------------
def _mlp_body(ns):
    def __init__(self, embed_dim, dropout_p=0.0):
        nn.Module.__init__(self)
        self.net = nn.Sequential(
            Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)

    ns.update(__module__=__name__, __doc__="C -> 4C -> C.", __init__=__init__, forward=forward)


MLP = types.new_class("MLP", (nn.Module,), {}, _mlp_body)


# ---- block: a dataclass --------------------------------------------------------------------
@dataclasses.dataclass(eq=False, repr=False)
class TransformerBlock(nn.Module):
    embed_dim: int
    num_heads: int
    block_size: int
    dropout_p: float = 0.0

    def __post_init__(self) -> None:
        super().__init__()
        self.ln_1 = Norm(self.embed_dim)
        self.attn = CausalSelfAttention(  # noqa: F821 (made by exec above)
            self.embed_dim, self.num_heads, self.block_size, self.dropout_p
        )
        self.ln_2 = Norm(self.embed_dim)
        self.mlp = MLP(self.embed_dim, self.dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        make = functools.partial(TransformerBlock, embed_dim, num_heads, block_size, dropout_p)
        self.h = nn.ModuleList(make() for _ in range(num_layers))
        self.ln_f = Norm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def _call(self, block, x):
        if self.training and torch.is_grad_enabled():
            from torch.utils.checkpoint import checkpoint  # only training needs it

            return checkpoint(block, x, use_reentrant=False)
        return block(x)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        x = functools.reduce(lambda y, block: self._call(block, y), self.h, x)
        return self.head(self.ln_f(x))


log.debug("ready after %.3f s", time.perf_counter() - _T0)
