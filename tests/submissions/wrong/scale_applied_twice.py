# verdict: fail
# part: CausalSelfAttention
# cause: scale-multiplied
# style: scales the queries, and F.scaled_dot_product_attention scales again (1/d in all)

"""Decoder-only transformer."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class PreNormResidual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


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


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = PreNormResidual(embed_dim, attn)
        self.mlp = PreNormResidual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attn(x))


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
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout_p = dropout_p
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.o_proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, self.head_dim
        # (B, H, T, D)
        q = self.q_proj(x).unflatten(-1, (H, D)).transpose(1, 2) * D**-0.5
        k = self.k_proj(x).unflatten(-1, (H, D)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (H, D)).transpose(1, 2)
        p = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        y = self.o_proj(y.transpose(1, 2).flatten(2))
        return F.dropout(y, self.dropout_p, self.training)
