# verdict: pass
# style: fused projection, heads last; the block has weights of its own and calls functions

import math

import torch
import torch.nn.functional as F
from torch import nn


def attention(x, qkv, proj, heads, drop):
    B, T, C = x.shape
    width = C // heads
    q, k, v = qkv(x).split([C, C, C], dim=-1)
    q, k, v = (a.reshape(B, T, -1, width) for a in (q, k, v))
    scores = torch.einsum("bihd,bjhd->bijh", q, k) / math.sqrt(width)
    i = torch.arange(T, device=x.device)
    hidden = i[:, None] < i
    scores = scores.masked_fill(hidden[:, :, None], -1e30)
    y = torch.einsum("bijh,bjhd->bihd", drop(scores.softmax(2)), v)
    return proj(y.reshape(B, T, C))


def feed_forward(x, fc, proj, drop):
    return drop(proj(F.gelu(fc(x), approximate="tanh")))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return attention(x, self.qkv, self.proj, self.heads, self.drop)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return feed_forward(x, self.fc, self.proj, self.drop)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def attn(self, x):
        return attention(x, self.qkv, self.out, self.heads, self.drop)

    def mlp(self, x):
        return feed_forward(x, self.fc, self.proj, self.drop)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(
        self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0
    ):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        x = self.wte(idx)
        x = x + self.wpe(torch.arange(idx.shape[1], device=idx.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
