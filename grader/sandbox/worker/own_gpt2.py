"""The grader's own GPT-2, on which others are judged while the candidate's own is broken.

Its text also takes the place of a submission's gpt2.py, where an extension builds on that: its
layers have the names that they have in the worked solution.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    """GPT-2's attention."""

    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide embed_dim={embed_dim}")
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        visible = torch.ones(block_size, block_size, dtype=torch.bool).tril()
        self.visible: torch.Tensor
        self.register_buffer("visible", visible, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        batch, time, width = x.shape
        q, k, v = (
            part.view(batch, time, self.num_heads, self.head_dim).transpose(1, 2)
            for part in self.qkv_proj(x).split(width, dim=-1)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        scores = scores.masked_fill(~self.visible[:time, :time], float("-inf"))
        heads = self.attn_dropout(F.softmax(scores, dim=-1)) @ v
        merged = heads.transpose(1, 2).reshape(batch, time, width)
        output: torch.Tensor = self.resid_dropout(self.out_proj(merged))
        return output


class MLP(nn.Module):
    """GPT-2's MLP."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.up_proj = nn.Linear(embed_dim, 4 * embed_dim)
        self.activation = nn.GELU(approximate="tanh")
        self.down_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        output: torch.Tensor = self.dropout(self.down_proj(self.activation(self.up_proj(x))))
        return output


class TransformerBlock(nn.Module):
    """GPT-2's block. parts: the classes of its attention and its MLP."""

    parts: tuple[type[nn.Module], type[nn.Module]] = (CausalSelfAttention, MLP)

    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        attention, mlp = self.parts
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.attn = attention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = mlp(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        x = x + self.attn(self.attn_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        return x


class GPT2(nn.Module):
    """GPT-2. block: the class of its blocks."""

    block: type[nn.Module] = TransformerBlock

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.block_size = block_size
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            self.block(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.head.weight = self.token_embedding.weight
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) -> logits (B, T, V)"""
        time = idx.shape[1]
        if time > self.block_size:
            raise ValueError(f"{time} tokens are more than block_size={self.block_size}")
        positions = torch.arange(time, device=idx.device)
        x = self.dropout(self.token_embedding(idx) + self.position_embedding(positions))
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.head(self.final_norm(x))
        return logits
