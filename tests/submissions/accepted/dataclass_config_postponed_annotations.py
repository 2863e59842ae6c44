# verdict: pass
# style: @dataclass config under `from __future__ import annotations`, built by each constructor
from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class GPTConfig:
    embed_dim: int
    num_heads: int = 1
    block_size: int = 1
    dropout_p: float = 0.0
    vocab_size: int | None = None
    num_layers: int | None = None
    norm_eps: float = 1e-5
    head_dim: int = field(init=False)

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"{self.embed_dim} channels do not split in {self.num_heads} heads")
        self.head_dim = self.embed_dim // self.num_heads


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.config = cfg = GPTConfig(embed_dim, num_heads, block_size, dropout_p)
        self.q = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.k = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.v = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.o = nn.Linear(cfg.embed_dim, cfg.embed_dim)
        self.dropout = nn.Dropout(cfg.dropout_p)
        mask = torch.zeros(cfg.block_size, cfg.block_size)
        mask = mask.masked_fill(torch.ones_like(mask).triu(1).bool(), float("-inf"))
        self.register_buffer("attn_bias", mask, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cfg = self.config
        B, T, C = x.shape
        q = self.q(x).view(B, T, cfg.num_heads, cfg.head_dim).transpose(1, 2)
        k = self.k(x).view(B, T, cfg.num_heads, cfg.head_dim).transpose(1, 2)
        v = self.v(x).view(B, T, cfg.num_heads, cfg.head_dim).transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3)) / cfg.head_dim**0.5
        probs = F.softmax(scores + self.attn_bias[:T, :T], dim=-1)
        out = torch.matmul(self.dropout(probs), v).transpose(1, 2).reshape(B, T, C)
        return self.dropout(self.o(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        cfg = GPTConfig(embed_dim, dropout_p=dropout_p)
        self.up = nn.Linear(cfg.embed_dim, 4 * cfg.embed_dim)
        self.down = nn.Linear(4 * cfg.embed_dim, cfg.embed_dim)
        self.dropout = nn.Dropout(cfg.dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        cfg = GPTConfig(embed_dim, num_heads, block_size, dropout_p)
        self.ln_attn = nn.LayerNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_mlp = nn.LayerNorm(cfg.embed_dim, eps=cfg.norm_eps)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_attn(x))
        x = x + self.mlp(self.ln_mlp(x))
        return x


class GPT2(nn.Module):
    config: GPTConfig

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
        self.config = GPTConfig(embed_dim, num_heads, block_size, dropout_p, vocab_size, num_layers)
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(self._block() for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dim, eps=self.config.norm_eps)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def _block(self) -> TransformerBlock:
        cfg = self.config
        return TransformerBlock(cfg.embed_dim, cfg.num_heads, cfg.block_size, cfg.dropout_p)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.tokens(idx) + self.positions(torch.arange(idx.size(1), device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
