# verdict: pass
# style: a subclass of the own GPT2 whose attention is replaced by one with a past
import math

import torch
from torch import nn

import gpt2


class CachedAttention(gpt2.CausalSelfAttention):
    def forward(self, x, past=None):
        B, T, C = x.shape
        q, k, v = [
            z.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
            for z in self.qkv_proj(x).chunk(3, dim=-1)
        ]
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        S = k.size(2)
        att = q @ k.mT / math.sqrt(self.head_dim)
        att = att.masked_fill(~self.visible[S - T : S, :S], -math.inf).softmax(-1)
        y = (self.attn_dropout(att) @ v).transpose(1, 2).reshape(B, T, C)
        return self.resid_dropout(self.out_proj(y)), (k, v)


class CachedGPT2(gpt2.GPT2):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__(vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p)
        for block in self.blocks:
            block.attn.__class__ = CachedAttention

    def forward(self, idx, cache=None):
        start = cache[0][0].size(2) if cache else 0
        if start + idx.size(1) > self.block_size:
            raise ValueError("more than block_size tokens")
        positions = torch.arange(start, start + idx.size(1), device=idx.device)
        x = self.dropout(self.token_embedding(idx) + self.position_embedding(positions))
        new = []
        for i, block in enumerate(self.blocks):
            y, kv = block.attn(block.attn_norm(x), cache[i] if cache else None)
            x = x + y
            x = x + block.mlp(block.mlp_norm(x))
            new.append(kv)
        return self.head(self.final_norm(x)), tuple(new)
