# verdict: pass
# style: object-oriented: abstract bases, template method, MLP inherits its forward, a dropout mixin
from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class DropoutMixin:
    """Needs ``dropout_p`` on the instance. Survives in train mode only."""

    dropout_p: float

    def drop(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.dropout_p, training=self.training)


class BaseAttention(DropoutMixin, nn.Module, ABC):
    def __init__(self, embed_dim: int, num_heads: int, dropout_p: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout_p = dropout_p
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    @abstractmethod
    def bias(self, scores: Tensor) -> Tensor:
        """What is added to the scores, broadcastable to (B, H, T, T)."""

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        # columns laid out head by head: (head, role, d), as in GPT-NeoX
        z = self.qkv(x).view(b, t, self.num_heads, 3 * self.head_dim).transpose(1, 2)
        q, k, v = z.split(self.head_dim, dim=-1)
        scores = q @ k.transpose(-1, -2) / self.head_dim**0.5
        weights = self.drop((scores + self.bias(scores)).softmax(-1))
        return self.drop(self.proj((weights @ v).transpose(1, 2).reshape(b, t, c)))


class CausalSelfAttention(BaseAttention):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__(embed_dim, num_heads, dropout_p)
        self.register_buffer(
            "_bias",
            torch.zeros(block_size, block_size).masked_fill(
                torch.ones(block_size, block_size).triu(1) == 1, float("-inf")
            ),
        )

    def bias(self, scores: Tensor) -> Tensor:
        return self._bias[: scores.size(-2), : scores.size(-1)]


class FeedForward(DropoutMixin, nn.Module):
    expansion = 1

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.dropout_p = dropout_p
        self.fc1 = nn.Linear(embed_dim, self.expansion * embed_dim)
        self.fc2 = nn.Linear(self.expansion * embed_dim, embed_dim)

    def activation(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.activation(self.fc1(x))))


class MLP(FeedForward):
    expansion = 4

    def activation(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(x, approximate="tanh")


class PreNormBlock(nn.Module):
    def __init__(self, dim: int, *sublayers: nn.Module) -> None:
        super().__init__()
        self.sublayers = nn.ModuleList(sublayers)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in sublayers)

    def forward(self, x: Tensor) -> Tensor:
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class TransformerBlock(PreNormBlock):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        super().__init__(embed_dim, attn, MLP(embed_dim, dropout_p))


class GPT2(DropoutMixin, nn.Module):
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
        self.dropout_p = dropout_p
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: Tensor) -> Tensor:
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device)))
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
