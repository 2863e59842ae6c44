# verdict: fail
# part: GPT2
# cause: output-transposed
# style: swaps the last two axes, the order that cross_entropy wants
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.embed(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))
        x = self.ln_f(self.blocks(x))
        # (B, V, T): F.cross_entropy takes the classes in dim 1
        return self.head(x).transpose(1, 2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        N, L, E = x.shape
        q, k, v = self.qkv(x.transpose(1, 2)).chunk(3, dim=1)
        # channels first: (N, H, Dh, L)
        q = q.reshape(N, self.num_heads, -1, L)
        k = k.reshape(N, self.num_heads, -1, L)
        v = v.reshape(N, self.num_heads, -1, L)
        scores = q.transpose(2, 3) @ k / math.sqrt(E // self.num_heads)
        scores = scores.masked_fill(~self.mask[:L, :L], -math.inf)
        probs = self.drop(torch.softmax(scores, dim=-1))
        y = (v @ probs.transpose(2, 3)).reshape(N, E, L)
        return self.drop(self.out(y)).transpose(1, 2)


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
