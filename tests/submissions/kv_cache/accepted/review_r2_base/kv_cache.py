# verdict: pass
# style: of a review, r2 base
"""On top of my gpt2.py: inherits GPT2, and walks its blocks itself."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from gpt2 import GPT2, CausalSelfAttention


class Layer(NamedTuple):
    k: torch.Tensor
    v: torch.Tensor


def attend(attn: CausalSelfAttention, x: torch.Tensor, past: Layer | None) -> tuple[torch.Tensor, Layer]:
    B, T, C = x.shape
    H, D = attn.num_heads, attn.head_dim
    q, k, v = attn.qkv_proj(x).view(B, T, 3, H, D).permute(2, 0, 3, 1, 4)
    start = 0
    if past is not None:
        start = past.k.shape[-2]
        k = torch.cat((past.k, k), dim=-2)
        v = torch.cat((past.v, v), dim=-2)
    scores = (q / math.sqrt(D)) @ k.mT
    scores.masked_fill_(attn.visible[start : start + T, : start + T].logical_not(), -torch.inf)
    w = attn.attn_dropout(scores.softmax(-1))
    return attn.resid_dropout(attn.out_proj((w @ v).transpose(1, 2).flatten(2))), Layer(k, v)


class CachedGPT2(GPT2):
    def forward(self, idx: torch.Tensor, cache: Any = None) -> tuple[torch.Tensor, Any]:
        past = cache or [None] * len(self.blocks)
        start = 0 if cache is None else cache[0].k.shape[-2]
        stop = start + idx.shape[1]
        if stop > self.block_size:
            raise ValueError(f"The text would have {stop} tokens; at most block_size = {self.block_size} fit.")
        x = self.dropout(self.token_embedding(idx) + self.position_embedding.weight[start:stop])
        out = []
        for block, p in zip(self.blocks, past, strict=True):
            a, layer = attend(block.attn, block.attn_norm(x), p)
            x = x + a
            x = x + block.mlp(block.mlp_norm(x))
            out.append(layer)
        return self.head(self.final_norm(x)), out
