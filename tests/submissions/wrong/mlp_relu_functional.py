# verdict: fail
# part: MLP
# cause: relu
# style: c_fc, F.relu, c_proj in three lines; one query at a time, no mask needed
import math

import torch
import torch.nn.functional as F
from torch import nn


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
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        d = c // self.num_heads
        q, k, v = (
            t.view(b, n, self.num_heads, d).transpose(1, 2)
            for t in self.qkv(x).tensor_split(3, dim=-1)
        )
        rows = []
        for t in range(n):
            # position t looks at 0..t only
            s = (k[:, :, : t + 1] @ q[:, :, t].unsqueeze(-1)).squeeze(-1) / math.sqrt(d)
            p = self.drop(s.softmax(-1))
            rows.append((p.unsqueeze(-2) @ v[:, :, : t + 1]).reshape(b, c))
        return self.proj(torch.stack(rows, dim=1))


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.c_fc(x))
        x = self.c_proj(x)
        return self.dropout(x)


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
        self.ln1, self.ln2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.ffwd = MLP(embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.sa(self.ln1(x))
        x = x + a
        m = self.ffwd(self.ln2(x))
        return x + m


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
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pe, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pe[:, :n, :])
        return self.head(self.body(h))
