# verdict: fail
# part: TransformerBlock
# cause: layernorm-no-affine
# style: F.layer_norm called without weight and bias; scaled_dot_product_attention
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def gelu(z):
    return z * 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Linear(embed_dim, embed_dim * 4)
        self.contract = nn.Linear(embed_dim * 4, embed_dim)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x):
        x = self.expand(x)
        x = gelu(x)
        x = self.contract(x)
        return self.dropout(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.p = dropout_p
        self.q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.o = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(-1, (self.h, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.p if self.training else 0.0
        )
        y = y.transpose(1, 2).flatten(2)
        return F.dropout(self.o(y), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = F.layer_norm(x, [self.embed_dim])
        x = x + self.attn(h)
        h = F.layer_norm(x, [self.embed_dim])
        return x + self.mlp(h)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.learned_positions = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.learned_positions, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.encoder = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.learned_positions[:, :n, :])
        return self.head(self.encoder(h))
