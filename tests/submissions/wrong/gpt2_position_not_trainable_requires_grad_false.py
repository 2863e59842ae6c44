# verdict: fail
# part: GPT2
# cause: position-not-trainable
# style: learned table made as a Parameter with requires_grad=False
import math

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """Simple version: loop over the heads, slices of the projected vectors."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        blocked = torch.full((block_size, block_size), float("-inf")).triu(diagonal=1)
        self.register_buffer("blocked", blocked)

    def forward(self, x):
        T = x.size(1)
        outputs = []
        qs = self.wq(x).chunk(self.num_heads, dim=-1)
        ks = self.wk(x).chunk(self.num_heads, dim=-1)
        vs = self.wv(x).chunk(self.num_heads, dim=-1)
        for q, k, v in zip(qs, ks, vs):
            s = q @ k.transpose(1, 2) / math.sqrt(q.size(-1)) + self.blocked[:T, :T]
            p = self.dropout(torch.softmax(s, dim=-1))
            outputs.append(p @ v)
        return self.wo(torch.cat(outputs, dim=-1))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


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
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Parameter(0.02 * torch.randn(1, block_size, embed_dim), requires_grad=False)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        _, T = idx.shape
        x = self.drop(self.wte(idx) + self.wpe[:, :T])
        return self.lm_head(self.ln_f(self.blocks(x)))
