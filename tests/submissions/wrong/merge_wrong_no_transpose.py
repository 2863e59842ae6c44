# verdict: fail
# part: CausalSelfAttention
# cause: merge-wrong
# style: heads are split properly but (B, H, T, d) is reshaped to (B, T, C) without going back

from collections import OrderedDict

import torch
from torch import nn


class GPT2(nn.Module):
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
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.register_buffer("positions", torch.arange(block_size), persistent=False)
        self.emb_dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_out = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        _, T = idx.shape
        h = self.emb_dropout(self.token_emb(idx) + self.pos_emb(self.positions[:T]))
        for blk in self.blocks:
            h = blk(h)
        h = self.ln_out(h)
        logits = self.unembed(h)  # (B, T, vocab_size)
        return logits


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "causal_mask",
            torch.tril(torch.ones(block_size, block_size, dtype=torch.bool)),
            persistent=False,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv_proj(x).chunk(3, dim=-1)
        q = q.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        k = k.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        v = v.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
        scores = scores.masked_fill(~self.causal_mask[:T, :T], torch.finfo(x.dtype).min)
        attn = self.attn_dropout(scores.softmax(dim=-1))
        out = attn @ v  # (B, H, T, D)
        out = out.reshape(B, T, C)
        return self.out_dropout(self.out_proj(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("fc_in", nn.Linear(embed_dim, 4 * embed_dim)),
                    ("act", nn.GELU()),
                    ("fc_out", nn.Linear(4 * embed_dim, embed_dim)),
                    ("drop", nn.Dropout(dropout_p)),
                ]
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        return self.layers(x)
