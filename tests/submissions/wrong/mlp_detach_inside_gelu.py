# verdict: fail
# part: MLP
# cause: detach-breaks-gradients
# style: GELU by hand; its gate is detached, so only gradients are wrong
import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.lin_q = nn.Linear(embed_dim, embed_dim)
        self.lin_k = nn.Linear(embed_dim, embed_dim)
        self.lin_v = nn.Linear(embed_dim, embed_dim)
        self.lin_o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        ones = torch.ones(block_size, block_size)
        self.register_buffer("mask", torch.triu(ones, diagonal=1).bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.shape[1]
        Q, K, V = self.lin_q(x), self.lin_k(x), self.lin_v(x)
        per_head = []
        for i in range(self.num_heads):
            cols = slice(i * self.head_dim, (i + 1) * self.head_dim)
            s = Q[..., cols] @ K[..., cols].transpose(1, 2)
            s = s / math.sqrt(self.head_dim)
            s = s.masked_fill(self.mask[:T, :T], float("-inf"))
            w = torch.softmax(s, dim=2)
            per_head.append(self.dropout(w) @ V[..., cols])
        return self.dropout(self.lin_o(torch.cat(per_head, dim=2)))


def gelu(x):
    gate = 0.5 * (1.0 + torch.erf(x.detach() / math.sqrt(2.0)))
    return x * gate


class MLP(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.inner_proj = nn.Linear(embed_dim, 4 * embed_dim)
        self.outer_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.outer_proj(gelu(self.inner_proj(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mixer(self.attn_norm(x))
        x = x + self.feed_forward(self.mlp_norm(x))
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
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.readout = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.readout
