"""GPT-2 from scratch: fill in the four classes. The brief is in README.md beside this file.

Shapes are written with these letters:

    B  batch: how many sequences at once
    T  time: how many tokens in each sequence, at most block_size
    C  channels: embed_dim
    V  vocab_size
"""

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which a position sees itself and what came before it.

    embed_dim: C, the width of input and output.
    num_heads: number of heads; divides embed_dim.
    block_size: the longest sequence there will be.
    dropout_p: probability of dropout in train mode.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        raise NotImplementedError


class MLP(nn.Module):
    """The feed-forward network of a block, with GELU, the same for every position.

    embed_dim: C, the width of input and output; in between it is four times as wide.
    dropout_p: probability of dropout in train mode.
    """

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        raise NotImplementedError


class TransformerBlock(nn.Module):
    """A pre-normalised residual block: attention, then MLP.

    embed_dim, num_heads, block_size, dropout_p: as in CausalSelfAttention.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        raise NotImplementedError


class GPT2(nn.Module):
    """Token and position embeddings, num_layers blocks, a final norm, and logits.

    vocab_size: V, number of different tokens.
    embed_dim, num_heads, block_size, dropout_p: as in CausalSelfAttention.
    num_layers: number of blocks.
    """

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
        raise NotImplementedError

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) token indices in [0, V) -> raw logits: (B, T, V)"""
        raise NotImplementedError
