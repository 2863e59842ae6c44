# verdict: fail
# part: CausalSelfAttention
# cause: hard-coded-heads
# style: a class constant NUM_HEADS = 2 left from trying the example wins over the argument

import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    NUM_HEADS = 2

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.block_size = block_size
        for name in ("w_q", "w_k", "w_v", "w_o"):
            weight = torch.empty(embed_dim, embed_dim)
            nn.init.xavier_uniform_(weight)
            self.register_parameter(name, nn.Parameter(weight))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        assert T <= self.block_size
        H = self.NUM_HEADS
        D = C // H
        q, k, v = [(x @ w).view(B, T, H, D).transpose(1, 2) for w in (self.w_q, self.w_k, self.w_v)]
        scores = (q @ k.mT) / math.sqrt(D)
        blocked = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        attn = scores.masked_fill(blocked, -torch.inf).softmax(dim=-1)
        out = self.dropout(attn) @ v
        return self.dropout(out.transpose(1, 2).reshape(B, T, C) @ self.w_o)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


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
