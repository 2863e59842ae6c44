# verdict: pass
# style: subclasses of nn.Linear, nn.LayerNorm and nn.Sequential, with a frozen dataclass config
from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass(frozen=True)
class Config:
    embed_dim: int
    num_heads: int = 1
    block_size: int = 1
    dropout_p: float = 0.0
    head_dim: int = field(init=False)

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_heads != 0:
            raise ValueError(f"{self.num_heads} heads do not divide {self.embed_dim}")
        object.__setattr__(self, "head_dim", self.embed_dim // self.num_heads)


class HeadsLinear(nn.Linear):
    """(B, T, C) -> three of (B, H, T, D); each head's q, k and v lie together in the weight."""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg.embed_dim, 3 * cfg.embed_dim)
        self.cfg = cfg

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = super().forward(x).unflatten(-1, (self.cfg.num_heads, 3, self.cfg.head_dim))
        return y.permute(3, 0, 2, 1, 4).unbind(0)


class CausalSelfAttention(nn.Linear):
    """The module itself is the output projection; its qkv layer feeds it."""

    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__(embed_dim, embed_dim)
        cfg = Config(embed_dim, num_heads, block_size, dropout_p)
        self.cfg = cfg
        self.qkv = HeadsLinear(cfg)
        self.dropout = nn.Dropout(cfg.dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x)
        t = x.size(1)
        mask = torch.zeros(t, t, dtype=x.dtype, device=x.device)
        mask = mask.masked_fill(mask.new_ones(t, t).triu(1).bool(), -torch.inf)
        weights = torch.softmax(q @ k.mT / self.cfg.head_dim ** 0.5 + mask, dim=-1)
        mixed = (self.dropout(weights) @ v).transpose(1, 2).flatten(-2)
        return self.dropout(super().forward(mixed))


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


class PreNormResidual(nn.LayerNorm):
    """x + inner(layer_norm(x))"""

    def __init__(self, inner: nn.Module, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(super().forward(x))


class TransformerBlock(nn.Sequential):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        super().__init__(
            PreNormResidual(attention, embed_dim),
            PreNormResidual(MLP(embed_dim, dropout_p), embed_dim),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


class TokenAndPosition(nn.Embedding):
    """Token table with a position table on top."""

    def __init__(self, vocab_size: int, cfg: Config) -> None:
        super().__init__(vocab_size, cfg.embed_dim)
        self.position = nn.Embedding(cfg.block_size, cfg.embed_dim)
        self.dropout = nn.Dropout(cfg.dropout_p)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(idx.size(-1), device=idx.device).expand_as(idx)
        return self.dropout(super().forward(idx) + self.position(steps))


class GPT2(nn.Sequential):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        cfg = Config(embed_dim, num_heads, block_size, dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        ]
        super().__init__(
            TokenAndPosition(vocab_size, cfg),
            *blocks,
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, vocab_size, bias=False),
        )

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return super().forward(idx)
