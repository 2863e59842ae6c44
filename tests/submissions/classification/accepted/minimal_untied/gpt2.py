import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.p = num_heads, dropout_p
        self.q, self.k, self.v, self.o = (nn.Linear(embed_dim, embed_dim) for _ in range(4))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (f(x).view(b, t, self.h, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        p = self.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        return self.o(y.transpose(1, 2).reshape(b, t, c))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.a = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.m = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.a(self.n1(x))
        return x + self.m(self.n2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.to_logits = nn.Linear(embed_dim, vocab_size)  # not tied, and with a bias
        self.norm = nn.LayerNorm(embed_dim)
        self.pos = nn.Parameter(torch.randn(1, block_size, embed_dim) / math.sqrt(embed_dim))
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.layers = nn.Sequential(
            *(TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers))
        )

    def features(self, idx):
        return self.norm(self.layers(self.tok(idx) + self.pos[:, : idx.shape[1]]))

    def forward(self, idx):
        return self.to_logits(self.features(idx))
