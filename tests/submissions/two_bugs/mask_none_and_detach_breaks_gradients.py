# verdict: fail
# part: CausalSelfAttention
# causes: mask-none detach-breaks-gradients
# style: masked scores are computed and then not used; keys and values detached as in Transformer-XL
import math
from typing import Optional

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    mask: torch.Tensor

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        # one row of the output: head 0 (q, k, v), head 1 (q, k, v), ...
        self.qkv = nn.Linear(embed_dim, num_heads * 3 * self.head_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).triu(diagonal=1) > 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, self.num_heads, 3, self.head_dim)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        k, v = k.detach(), v.detach()  # no gradient into the memory
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.head_dim)
        masked = scores.masked_fill(self.mask[:T, :T], float("-inf"))
        weights = F.softmax(scores, dim=-1)
        y = torch.matmul(self.drop(weights), v)
        y = y.transpose(1, 2).reshape(B, T, C)
        return self.drop(self.out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0, hidden: Optional[int] = None):
        super().__init__()
        hidden = hidden or 4 * embed_dim
        self.layers = nn.Sequential(
            nn.Linear(embed_dim, hidden), nn.GELU(), nn.Linear(hidden, embed_dim)
        )
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.layers(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim)
        self.ln_mlp = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.attn(self.ln_attn(x)) + x
        x = self.mlp(self.ln_mlp(x)) + x
        return x


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, embed_dim)
        self.embed_positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        x = self.embed_tokens(idx) + self.embed_positions(pos)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.final_norm(x))
