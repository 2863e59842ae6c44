# verdict: pass
# style: functional index_copy into buffers of block_size, attention over all of it, deepcopy for safety, v k q fused
import copy
import math

import torch
import torch.nn.functional as F
from torch import nn


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.hparams = dict(V=vocab_size, C=embed_dim, H=num_heads, L=num_layers, N=block_size)
        for i in range(num_layers):
            setattr(self, f"ln_attn_{i}", nn.LayerNorm(embed_dim))
            setattr(self, f"ln_mlp_{i}", nn.LayerNorm(embed_dim))
            setattr(self, f"vkq_{i}", nn.Linear(embed_dim, 3 * embed_dim))
            setattr(self, f"proj_{i}", nn.Linear(embed_dim, embed_dim))
            setattr(self, f"up_{i}", nn.Linear(embed_dim, 4 * embed_dim))
            setattr(self, f"down_{i}", nn.Linear(4 * embed_dim, embed_dim))
        self.embedding = nn.ParameterDict({
            "token": torch.randn(vocab_size, embed_dim) / 50,
            "position": torch.randn(block_size, embed_dim) / 50,
        })
        self.ln_final = nn.LayerNorm(embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, idx, cache=None):
        B, T = idx.shape
        H, L, N = (self.hparams[k] for k in "HLN")
        state = copy.deepcopy(cache) if cache is not None else [0, {}]
        start, store = state
        where = torch.arange(start, start + T, device=idx.device)
        if T > N - start:
            raise ValueError("The context is full.")
        x = self.drop(self.embedding["token"][idx] + self.embedding["position"][where])
        visible = torch.arange(N, device=idx.device) <= where.unsqueeze(1)
        for i in range(L):
            h = getattr(self, f"ln_attn_{i}")(x)
            v, k, q = getattr(self, f"vkq_{i}")(h).reshape(B, T, 3, H, -1).permute(2, 0, 3, 1, 4)
            for name, new in (("k", k), ("v", v)):
                old = store.get((name, i), new.new_zeros(B, H, N, new.shape[-1]))
                store[name, i] = old.index_copy(2, where, new).detach()
            weights = (q * (1 / math.sqrt(q.shape[-1]))).matmul(store["k", i].swapaxes(2, 3))
            weights = F.softmax(weights.masked_fill(~visible, torch.finfo(weights.dtype).min), dim=-1)
            y = self.drop(weights).matmul(store["v", i]).permute(0, 2, 1, 3).flatten(-2)
            x = x + self.drop(getattr(self, f"proj_{i}")(y))
            h = getattr(self, f"up_{i}")(getattr(self, f"ln_mlp_{i}")(x))
            x = x + self.drop(getattr(self, f"down_{i}")(F.gelu(h, approximate="tanh")))
        return F.linear(self.ln_final(x), self.embedding["token"]), [start + T, store]
