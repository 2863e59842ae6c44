# verdict: fail
# part: CausalSelfAttention
# cause: scale-multiplied
# style: Conv1D for qkv and output, (1, 1, T, T) bias buffer and torch.where, as in the original

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), like the OpenAI code."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.02)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        tri = torch.tril(torch.ones(block_size, block_size, dtype=torch.bool))
        self.register_buffer("bias", tri.view(1, 1, block_size, block_size))

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2))
        w = w * math.sqrt(v.size(-1))
        T = w.size(-1)
        w = torch.where(self.bias[:, :, :T, :T], w, torch.full_like(w, -1e10))
        w = self.attn_dropout(F.softmax(w, dim=-1))
        return torch.matmul(w, v)

    def _split(self, x):
        return x.view(*x.shape[:-1], self.n_head, -1).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        a = self._attn(self._split(q), self._split(k), self._split(v))
        a = a.transpose(1, 2).flatten(2)
        return self.resid_dropout(self.c_proj(a))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.w1 = nn.Parameter(torch.empty(C, 4 * C).normal_(std=0.02))
        self.b1 = nn.Parameter(torch.zeros(4 * C))
        self.w2 = nn.Parameter(torch.empty(4 * C, C).normal_(std=0.02))
        self.b2 = nn.Parameter(torch.zeros(C))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(F.gelu(x @ self.w1 + self.b1) @ self.w2 + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_a": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_m": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        p = self.parts
        x = x + p["attn"](p["ln_a"](x))
        return x + p["mlp"](p["ln_m"](x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)
        self.to_logits.weight = self.token.weight

    def num_params(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("sequence longer than block_size")
        where = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        x = self.token(idx) + self.position(where)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))

    @torch.no_grad()
    def generate(self, idx, n_new):
        for _ in range(n_new):
            logits = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx
