# verdict: fail
# part: TransformerBlock
# cause: order-swapped
# style: sublayers run in the order of a list that starts with MLP
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


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        mlp = MLP(embed_dim, dropout_p)
        self.sublayers = nn.ModuleList(PreNorm(embed_dim, fn) for fn in (mlp, attn))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for sublayer in self.sublayers:
            x = x + sublayer(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.Wa = nn.Parameter(0.02 * torch.randn(embed_dim, 3 * embed_dim))
        self.ba = nn.Parameter(torch.zeros(3 * embed_dim))
        self.Wp = nn.Parameter(0.02 * torch.randn(embed_dim, embed_dim))
        self.bp = nn.Parameter(torch.zeros(embed_dim))
        self.num_heads = num_heads
        self.rate = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = torch.chunk(x @ self.Wa + self.ba, 3, dim=-1)
        q = q.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        k = k.reshape(B, T, self.num_heads, D).permute(0, 2, 3, 1)
        v = v.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        a = q @ k / math.sqrt(D)
        a = a + torch.triu(torch.full_like(a, -1e9), diagonal=1)
        a = F.dropout(torch.softmax(a, dim=-1), self.rate, training=self.training)
        return (a @ v).permute(0, 2, 1, 3).reshape(B, T, C) @ self.Wp + self.bp


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        hidden = 4 * embed_dim
        super().__init__(
            nn.Linear(embed_dim, hidden),
            nn.GELU("tanh"),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(dropout_p),
        )


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
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.w_vocab = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.w_vocab
