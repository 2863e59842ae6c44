# verdict: pass
# style: writes chunks of time into a torch.empty without dtype
import functools

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_k = nn.Linear(embed_dim, embed_dim)
        self.to_v = nn.Linear(embed_dim, embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def _split(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x):
        b, n, c = x.shape
        q = self._split(self.to_q(x)) * self.head_dim**-0.5
        k = self._split(self.to_k(x))
        v = self._split(self.to_v(x))
        weights = q @ k.mT
        blocked = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        weights = weights.masked_fill(blocked, float("-inf"))
        attn = self.dropout(weights.softmax(dim=-1))
        merged = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.to_out(merged)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.wide = nn.Linear(embed_dim, 4 * embed_dim)
        self.back = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.chunk = 16

    def forward(self, x):
        out = torch.empty(x.shape, device=x.device)
        for start in range(0, x.size(1), self.chunk):
            piece = x[:, start : start + self.chunk]
            out[:, start : start + self.chunk] = self.back(F.gelu(self.wide(piece)))
        return self.dropout(out)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_attn": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_mlp": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        p = self.parts
        x = x + p["attn"](p["ln_attn"](x))
        return x + p["mlp"](p["ln_mlp"](x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p=dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        return self.tok(idx) + self.pos(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.blocks, self.embed(idx))
        return self.unembed(self.ln_f(x))
