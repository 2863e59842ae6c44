# verdict: fail
# part: MLP
# cause: quick-gelu
# style: GELU by hand with erf(x) where erf(x / sqrt(2)) belongs: another near GELU
import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.groups = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        z = self.qkv(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.dropout(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.dropout(self.out(y)).transpose(1, 2)


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def activation(self, h):
        return 0.5 * h * (1 + torch.erf(h))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.activation(self.lin_in(x))
        return self.drop(self.lin_out(h))


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mid = torch.add(x, self.mixer(self.attn_norm(x)))
        return torch.add(mid, self.feed_forward(self.mlp_norm(mid)))


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

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
        self.tower = nn.Sequential()
        for n in range(num_layers):
            self.tower.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.readout = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.tower(x))
        return x @ self.readout
