# verdict: fail
# part: CausalSelfAttention
# cause: softmax-over-heads
# style: scores kept as (B, q, k, H) by einsum, softmax(dim=-1) then runs over the heads

# GPT-2 from scratch

import math

import torch
import torch.nn.functional as F
from torch import nn


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
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_k = nn.Linear(embed_dim, embed_dim)
        self.to_v = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        future = torch.triu(torch.ones(block_size, block_size, dtype=torch.bool), 1)
        self.register_buffer("future", future[None, :, :, None])

    def forward(self, x):
        B, T, C = x.shape
        q = self.to_q(x).view(B, T, self.num_heads, self.head_dim)
        k = self.to_k(x).view(B, T, self.num_heads, self.head_dim)
        v = self.to_v(x).view(B, T, self.num_heads, self.head_dim)
        scores = torch.einsum("bqhd,bkhd->bqkh", q, k) * self.head_dim**-0.5
        scores = scores.masked_fill(self.future[:, :T, :T], torch.finfo(scores.dtype).min)
        weights = self.dropout(scores.softmax(dim=-1))
        out = torch.einsum("bqkh,bkhd->bqhd", weights, v).reshape(B, T, C)
        return self.dropout(self.proj(out))


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim, bias=False)
        self.ffn = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln1(x))
        x = x + self.ffn(self.ln2(x))
        return x


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
