# verdict: fail
# part: CausalSelfAttention
# cause: mask-off-by-one
# style: tril with diagonal=1 as the allowed set: one future position is visible

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w_out = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.w_in(x)
        h = 0.5 * h * (1.0 + torch.erf(h / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.w_out(h))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.resid_drop = nn.Dropout(dropout_p)
        self.proj = nn.Linear(embed_dim, embed_dim)
        # causal mask so that attention only looks to the left
        self.register_buffer("mask", torch.tril(torch.ones(block_size, block_size), 1))
        self.n_head = num_heads

    def forward(self, x):
        B, T, C = x.size()
        nh, hs = self.n_head, C // self.n_head
        k = self.key(x).view(B, T, nh, hs).transpose(1, 2)
        q = self.query(x).view(B, T, nh, hs).transpose(1, 2)
        v = self.value(x).view(B, T, nh, hs).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(hs))
        att = att.masked_fill(self.mask[:T, :T] == 0, float("-inf"))
        att = self.attn_drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_drop(self.proj(y))


class TransformerBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.norm1(x))
        return h + self.feed_forward(self.norm2(h))


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
