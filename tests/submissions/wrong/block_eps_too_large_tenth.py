# verdict: fail
# part: TransformerBlock
# cause: eps-too-large
# style: eps=0.1 in both norms; bare Parameters and the @ operator
import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.Wa = nn.Parameter(0.02 * torch.randn(embed_dim, 3 * embed_dim))
        self.ba = nn.Parameter(torch.zeros(3 * embed_dim))
        self.Wp = nn.Parameter(0.02 * torch.randn(embed_dim, embed_dim))
        self.bp = nn.Parameter(torch.zeros(embed_dim))
        self.num_heads = num_heads
        self.rate = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = torch.chunk(x @ self.Wa + self.ba, 3, dim=-1)
        q = q.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        k = k.reshape(B, T, self.num_heads, D).permute(0, 2, 3, 1)
        v = v.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        a = q @ k / math.sqrt(D)
        a = a + torch.triu(torch.full_like(a, -1e9), diagonal=1)
        a = F.dropout(torch.softmax(a, dim=-1), self.rate, training=self.training)
        return (a @ v).permute(0, 2, 1, 3).reshape(B, T, C) @ self.Wp + self.bp


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        hidden = 4 * embed_dim
        super().__init__(
            nn.Linear(embed_dim, hidden),
            nn.GELU("tanh"),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        eps = 0.1
        self.ln_1 = nn.LayerNorm(embed_dim, eps=eps)
        self.ln_2 = nn.LayerNorm(embed_dim, eps=eps)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


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

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
