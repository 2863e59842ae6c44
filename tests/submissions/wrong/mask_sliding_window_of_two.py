# verdict: fail
# part: CausalSelfAttention
# cause: mask-off-by-one
# style: one (C, 3, H, d) parameter with einsum; only the last two positions are visible

"""Decoder-only transformer."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        self.w_qkv = nn.Parameter(torch.randn(embed_dim, 3, num_heads, head_dim) * 0.05)
        self.b_qkv = nn.Parameter(torch.zeros(3, num_heads, head_dim))
        self.w_o = nn.Parameter(torch.randn(num_heads, head_dim, embed_dim) * 0.05)
        self.b_o = nn.Parameter(torch.zeros(embed_dim))
        self.scale = 1 / math.sqrt(head_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.size(1)
        q, k, v = (
            torch.einsum("btc,cshd->sbthd", x, self.w_qkv) + self.b_qkv[:, None, None]
        ).unbind(0)
        logits = torch.einsum("bihd,bjhd->bhij", q * self.scale, k)
        i = torch.arange(T, device=x.device)[:, None]
        j = torch.arange(T, device=x.device)[None, :]
        visible = (j <= i) & (j >= i - 1)
        logits = logits.masked_fill(~visible, float("-inf"))
        probs = self.drop(logits.softmax(-1))
        y = torch.einsum("bhij,bjhd->bihd", probs, v)
        return self.drop(torch.einsum("bihd,hdc->bic", y, self.w_o) + self.b_o)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, embed_dim * 4)
        self.down = nn.Linear(embed_dim * 4, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.att = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.att(self.n1(x))
        return x + self.ff(self.n2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.gf = nn.Parameter(torch.ones(embed_dim))
        self.bf = nn.Parameter(torch.zeros(embed_dim))
        self.U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        T = idx.shape[1]
        x = F.embedding(idx, self.E) + self.P[:T]
        for blk in self.blocks:
            x = blk(x)
        x = F.layer_norm(x, (x.shape[-1],), self.gf, self.bf)
        return x @ self.U
