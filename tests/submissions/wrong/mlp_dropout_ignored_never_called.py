# verdict: fail
# part: MLP
# cause: dropout-ignored
# style: the dropout layer is made and never called; bare Parameters and the @ operator
import math

import torch
import torch.nn.functional as F
from torch import nn


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.norm(x))


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.W_qkv = nn.Parameter(0.02 * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.W_o = nn.Parameter(0.02 * torch.randn(embed_dim, embed_dim))
        self.b_o = nn.Parameter(torch.zeros(embed_dim))
        self.num_heads = num_heads
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = torch.chunk(x @ self.W_qkv + self.b_qkv, 3, dim=-1)
        q = q.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        k = k.reshape(B, T, self.num_heads, D).permute(0, 2, 3, 1)
        v = v.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        a = q @ k / math.sqrt(D)
        a = a + torch.triu(torch.full_like(a, -1e9), diagonal=1)
        a = F.dropout(torch.softmax(a, dim=-1), self.p, training=self.training)
        return (a @ v).permute(0, 2, 1, 3).reshape(B, T, C) @ self.W_o + self.b_o


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(x)
        x = F.gelu(x)
        x = self.proj(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                PreNorm(
                    embed_dim, CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
                ),
                PreNorm(embed_dim, MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for branch in self.branches:
            x = x + branch(x)
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
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.word_embeddings(idx) + self.position_embeddings(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
