# verdict: fail
# part: GPT2
# cause: log-softmax
# style: returns log-probabilities, ready for NLLLoss
import math

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        inner = embed_dim * 4
        self.layers = nn.ModuleDict(
            {
                "fc": nn.Linear(embed_dim, inner, bias=False),
                "act": nn.GELU("tanh"),
                "proj": nn.Linear(inner, embed_dim, bias=False),
                "drop": nn.Dropout(dropout_p),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x.transpose(1, 2)).chunk(3, dim=1)
        # channels first: (B, H, D, T)
        q = q.reshape(B, self.num_heads, -1, T)
        k = k.reshape(B, self.num_heads, -1, T)
        v = v.reshape(B, self.num_heads, -1, T)
        scores = q.transpose(2, 3) @ k / math.sqrt(C // self.num_heads)
        scores = scores.masked_fill(~self.mask[:T, :T], -math.inf)
        probs = self.drop(torch.softmax(scores, dim=-1))
        y = (v @ probs.transpose(2, 3)).reshape(B, C, T)
        return self.drop(self.out(y)).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Pre-norm residual block."""

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

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.attention(self.norm1(x))
        return h + self.feed_forward(self.norm2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_table = nn.Embedding(vocab_size, embed_dim)
        self.position_table = nn.Embedding(block_size, embed_dim)
        self.layers = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.proj = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.token_table(idx) + self.position_table(pos)
        x = self.norm(self.layers(x))
        return torch.log_softmax(self.proj(x), dim=-1)
