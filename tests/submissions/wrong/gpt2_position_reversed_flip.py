# verdict: fail
# part: GPT2
# cause: position-reversed
# style: position table as Parameter, the slice is flipped along time
import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        std = embed_dim**-0.5
        self.w_qkv = nn.Parameter(std * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.w_out = nn.Parameter(std * torch.randn(embed_dim, embed_dim))
        self.b_out = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, C // self.num_heads
        qkv = (x @ self.w_qkv + self.b_qkv).view(B, T, 3 * H, D)
        q, k, v = qkv.transpose(1, 2).chunk(3, dim=1)
        att = q @ k.transpose(-1, -2) / D**0.5
        minus_inf = torch.full_like(att, -math.inf)
        att = att + minus_inf.triu(1)
        att = F.dropout(att.softmax(-1), self.dropout_p, self.training)
        y = (att @ v).transpose(1, 2).reshape(B, T, C)
        return F.dropout(y @ self.w_out + self.b_out, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(x @ self.w1 + self.b1)
        return self.dropout(hidden @ self.w2 + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.mlp = MLP(embed_dim, dropout_p=dropout_p)
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.g1, self.b1))
        x = x + self.mlp(F.layer_norm(x, shape, self.g2, self.b2))
        return x


class GPT2(nn.Module):
    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte[idx] + self.wpe[: idx.shape[1]].flip(0)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte)
