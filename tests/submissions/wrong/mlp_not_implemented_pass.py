# verdict: fail
# part: MLP
# cause: not-implemented
# style: a TODO and a pass: forward returns None; scaled_dot_product_attention
import torch
import torch.nn as nn
import torch.nn.functional as F


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.norm(x))


class CausalSelfAttention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.h = num_heads
        self.p = dropout_p
        self.q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.o = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.h, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.p if self.training else 0.0
        )
        y = y.transpose(1, 2).flatten(2)
        return F.dropout(self.o(y), self.p, self.training)


class MLP(nn.Module):
    """The position-wise feed-forward network."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.hidden_dim = 4 * embed_dim
        self.linear1 = nn.Linear(embed_dim, self.hidden_dim)
        self.linear2 = nn.Linear(self.hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # TODO: linear1, gelu, linear2, dropout
        pass


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

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
    """Decoder-only language model; returns raw logits."""

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
