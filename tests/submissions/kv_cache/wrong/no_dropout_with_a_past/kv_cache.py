# verdict: fail
# part: Model
# cause: dropout-ignored
# style: dict of layers, einsum; a call with a past drops nothing
"""Builds on gpt2.py; cache is a dict {layer: (k, v)}, einsum."""

import torch
from torch import nn
import torch.nn.functional as F
from gpt2 import GPT2


class CachedGPT2(GPT2):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__(vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p)
        self.limit = block_size

    def forward(self, idx, cache=None):
        cache = cache or {}
        past = cache[0][0].shape[1] if cache else 0
        T = idx.shape[1]
        if past + T > self.limit:
            raise ValueError(
                f"{past} past tokens and {T} new ones are more than block_size={self.limit}"
            )
        where = torch.arange(past, past + T, device=idx.device)
        x = self.tok(idx) + self.pos(where)
        x = x if past else self.drop(x)
        new = {}
        for i, blk in enumerate(self.blocks):
            a = blk.attn
            q, k, v = (t.unflatten(-1, (a.h, -1)) for t in a.qkv(blk.n1(x)).chunk(3, -1))
            if i in cache:
                k = torch.cat((cache[i][0], k), 1)
                v = torch.cat((cache[i][1], v), 1)
            new[i] = (k, v)
            s = torch.einsum("bthd,bshd->bhts", q, k) * q.shape[-1] ** -0.5
            ok = torch.arange(past + T, device=idx.device)[None] <= where[:, None]
            w = F.softmax(torch.where(ok, s, s.new_tensor(float("-inf"))), -1)
            w = w if past else a.pa(w)
            y = torch.einsum("bhts,bshd->bthd", w, v).flatten(2)
            x = x + (a.out(y) if past else a.pr(a.out(y)))
            m = blk.mlp
            y = m.down(F.gelu(m.up(blk.n2(x))))
            x = x + (y if past else m.p(y))
        return self.head(self.norm(x)), new
