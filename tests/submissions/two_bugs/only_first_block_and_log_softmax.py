# verdict: fail
# part: GPT2
# causes: only-first-block log-softmax
# style: long and documented; a break left in from debugging, and log-probabilities for NLLLoss
"""A small GPT-2.

Shapes: B batch, T time, C embed_dim, H heads, D = C / H, V vocabulary.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head attention with a causal mask."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        """Makes the projections and remembers the longest mask."""
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError(f"{embed_dim=} is not divisible by {num_heads=}")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.projection = nn.Linear(embed_dim, embed_dim)
        self.weights_dropout = nn.Dropout(dropout_p)
        self.output_dropout = nn.Dropout(dropout_p)
        self.register_buffer("future", torch.ones(block_size, block_size).triu(1).bool())

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, H, T, D)"""
        return x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)

    def _merge(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, T, D) -> (B, T, C)"""
        return x.transpose(1, 2).flatten(start_dim=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)"""
        length = x.size(1)
        query = self._split(self.query(x)) * self.head_dim**-0.25
        key = self._split(self.key(x)) * self.head_dim**-0.25
        value = self._split(self.value(x))
        scores = query @ key.transpose(-2, -1)  # (B, H, T, T)
        scores = scores.masked_fill(self.future[:length, :length], float("-inf"))
        weights = self.weights_dropout(F.softmax(scores, dim=-1))
        return self.output_dropout(self.projection(self._merge(weights @ value)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.expansion = nn.Linear(embed_dim, 4 * embed_dim)
        self.contraction = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)"""
        hidden = F.gelu(self.expansion(x))  # (B, T, 4C)
        return self.dropout(self.contraction(hidden))


class TransformerBlock(nn.Module):
    """Pre-norm block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm_before_attention = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_before_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)"""
        x = x + self.attention(self.norm_before_attention(x))
        x = x + self.mlp(self.norm_before_mlp(x))
        return x


class GPT2(nn.Module):
    """Embeddings, blocks, final norm, language modelling head."""

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
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V)"""
        positions = torch.arange(idx.size(1), device=idx.device)
        x = self.token_embedding(idx) + self.position_embedding(positions)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
            break  # look at one layer first
        logits = self.head(self.final_norm(x))
        return F.log_softmax(logits, dim=-1)
