# verdict: fail
# part: MLP
# cause: silu
# style: base FeedForward class whose activation hook was filled in with silu; docstrings everywhere
"""A small GPT-2."""

import torch
from torch import nn
from torch.nn import functional as F


class FeedForward(nn.Module):
    """Two linear maps with something in between."""

    def __init__(self, width: int, factor: int, dropout_p: float):
        super().__init__()
        self.inp = nn.Linear(width, factor * width)
        self.out = nn.Linear(factor * width, width)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.dropout(self.out(self.act(self.inp(x))))


class MLP(FeedForward):
    """The feed-forward part of a block."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__(embed_dim, 4, dropout_p)

    def act(self, x: torch.Tensor) -> torch.Tensor:
        """The smooth ReLU."""
        return F.silu(x)


class CausalSelfAttention(nn.Module):
    """Attention to the past."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.keyvalue = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, H, T, D)."""
        return x.unflatten(-1, (self.num_heads, -1)).swapaxes(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        k, v = self.keyvalue(x).chunk(2, dim=-1)
        q, k, v = self.split(self.query(x)), self.split(k), self.split(v)
        logits = torch.einsum("bhid,bhjd->bhij", q, k) * k.size(-1) ** -0.5
        past = torch.ones(logits.shape[-2:], dtype=torch.bool, device=x.device).tril()
        probs = self.dropout(torch.where(past, logits, -torch.inf).softmax(dim=-1))
        return self.dropout(self.output(torch.einsum("bhij,bhjd->bihd", probs, v).flatten(-2)))


class TransformerBlock(nn.Module):
    """Pre-norm block."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class GPT2(nn.Module):
    """The language model: indices in, logits out."""

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
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, vocab_size)."""
        x = self.tokens(idx) + self.places.weight[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
