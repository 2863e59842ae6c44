# verdict: fail
# part: CausalSelfAttention
# cause: softmax-dim
# style: AttentionHead modules working on (B, T, T), softmax(dim=1) there

import math

import torch
from torch import nn
from torch.nn import functional as F


class AttentionHead(nn.Module):
    def __init__(self, embed_dim, head_dim, dropout_p):
        super().__init__()
        self.q = nn.Linear(embed_dim, head_dim)
        self.k = nn.Linear(embed_dim, head_dim)
        self.v = nn.Linear(embed_dim, head_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x, mask):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.size(-1))
        scores = scores.masked_fill(mask, -1e9)
        weights = self.drop(F.softmax(scores, dim=1))
        return torch.bmm(weights, v)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        self.heads = nn.ModuleList()
        for _ in range(num_heads):
            self.heads.append(AttentionHead(embed_dim, head_dim, dropout_p))
        self.linear = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).triu(1).bool())

    def forward(self, x):
        T = x.size(1)
        mask = self.mask[:T, :T]
        y = torch.cat([head(x, mask) for head in self.heads], dim=-1)
        return self.drop(self.linear(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.w1 = nn.Parameter(torch.empty(C, 4 * C).normal_(std=0.02))
        self.b1 = nn.Parameter(torch.zeros(4 * C))
        self.w2 = nn.Parameter(torch.empty(4 * C, C).normal_(std=0.02))
        self.b2 = nn.Parameter(torch.zeros(C))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(F.gelu(x @ self.w1 + self.b1) @ self.w2 + self.b2)


class TransformerBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.norm1(x))
        return h + self.feed_forward(self.norm2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx):
        b, t = idx.size()
        assert t <= self.block_size
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)
        pos_emb = self.transformer.wpe(pos)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
