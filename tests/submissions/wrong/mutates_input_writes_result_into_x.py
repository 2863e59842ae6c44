# verdict: fail
# part: CausalSelfAttention
# cause: mutates-input
# style: saves memory by writing the result back into x

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.o = nn.Linear(embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.tril(torch.ones(block_size, block_size)).bool())

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.num_heads
        q = self.q(x).view(B, T, self.num_heads, d).transpose(1, 2)
        k = self.k(x).view(B, T, self.num_heads, d).transpose(1, 2)
        v = self.v(x).view(B, T, self.num_heads, d).transpose(1, 2)
        s = q @ k.transpose(-2, -1) / math.sqrt(d)
        s = s.masked_fill(~self.mask[:T, :T], float("-inf"))
        y = self.drop(torch.softmax(s, dim=-1)) @ v
        y = self.drop(self.o(y.transpose(1, 2).reshape(B, T, C)))
        x.copy_(y)  # no need for another buffer
        return x


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
        self.dim = embed_dim
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = F.layer_norm(x, (self.dim,), self.g1, self.b1)
        x = x + self.sa(h)
        h = F.layer_norm(x, (self.dim,), self.g2, self.b2)
        x = x + self.ff(h)
        return x


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits (B, T, vocab_size)."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))[None]
        x = self.blocks(x)
        x = self.norm(x)
        return self.out(x)
