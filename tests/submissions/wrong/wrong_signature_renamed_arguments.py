# verdict: fail
# part: CausalSelfAttention
# cause: wrong-signature
# style: d_model, n_heads, max_len, dropout instead of the names asked for

import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, d_model, n_heads, max_len, dropout=0.0):
        super().__init__()
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.q = nn.Linear(d_model, d_model)
        self.k = nn.Linear(d_model, d_model)
        self.v = nn.Linear(d_model, d_model)
        self.o = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("causal", torch.ones(max_len, max_len).triu(1).bool())

    def forward(self, x):
        B, L, _ = x.shape
        q = self.q(x).view(B, L, self.n_heads, self.d_head).transpose(1, 2)
        k = self.k(x).view(B, L, self.n_heads, self.d_head).transpose(1, 2)
        v = self.v(x).view(B, L, self.n_heads, self.d_head).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) / self.d_head**0.5
        scores = scores.masked_fill(self.causal[:L, :L], -1e9)
        p = self.dropout(torch.softmax(scores, dim=-1))
        out = (p @ v).transpose(1, 2).reshape(B, L, -1)
        return self.dropout(self.o(out))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        inner = 4 * embed_dim
        self.w_up = nn.Parameter(torch.randn(inner, embed_dim) / math.sqrt(embed_dim))
        self.b_up = nn.Parameter(torch.zeros(inner))
        self.w_down = nn.Parameter(torch.randn(embed_dim, inner) / math.sqrt(inner))
        self.b_down = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = torch.einsum("btc,fc->btf", x, self.w_up) + self.b_up
        h = nn.functional.gelu(h)
        out = torch.einsum("btf,cf->btc", h, self.w_down) + self.b_down
        return self.dropout(out)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.te, self.pe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        mk = lambda: TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.bs = nn.Sequential(*[mk() for _ in range(num_layers)])
        self.ln, self.lm = nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.te(idx) + self.pe.weight[: idx.shape[1]]
        return self.lm(self.ln(self.bs(x)))
