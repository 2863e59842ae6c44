# verdict: fail
# part: CausalSelfAttention
# cause: block-size-mask-fixed
# style: mask built for block_size - 1: fails only on a sequence of full length

import math

import torch
import torch.nn as nn


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class GPT2(nn.Module):
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
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(idx) + self.position_embedding[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.final_norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = LayerNorm(embed_dim)
        self.ln2 = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.queries = nn.Linear(embed_dim, embed_dim)
        self.keys = nn.Linear(embed_dim, embed_dim)
        self.values = nn.Linear(embed_dim, embed_dim)
        self.merge = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        n = block_size - 1
        position = torch.arange(n)
        self.register_buffer("future", position[None, :] > position[:, None])

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, C // self.num_heads
        q = self.queries(x).unflatten(2, (H, D))
        k = self.keys(x).unflatten(2, (H, D))
        v = self.values(x).unflatten(2, (H, D))
        energy = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(D)
        energy = energy.masked_fill(self.future[:T, :T], float("-inf"))
        attention = self.dropout(energy.softmax(dim=3))
        out = torch.einsum("bhqk,bkhd->bqhd", attention, v).flatten(2)
        return self.dropout(self.merge(out))


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
