# verdict: fail
# part: GPT2
# cause: position-reversed
# style: arange counts down, the last token gets position 0
import math

import torch
import torch.nn as nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        a = self.lin_in(x)
        a = a * 0.5 * (1.0 + torch.erf(a / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.lin_out(a))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x.transpose(1, 2)).chunk(3, dim=1)
        # channels first: (batch, heads, size, length)
        q = q.reshape(batch, self.num_heads, -1, length)
        k = k.reshape(batch, self.num_heads, -1, length)
        v = v.reshape(batch, self.num_heads, -1, length)
        scores = q.transpose(2, 3) @ k / math.sqrt(width // self.num_heads)
        scores = scores.masked_fill(~self.mask[:length, :length], -math.inf)
        probs = self.drop(torch.softmax(scores, dim=-1))
        y = (v @ probs.transpose(2, 3)).reshape(batch, width, length)
        return self.drop(self.out(y)).transpose(1, 2)


class Residual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention = Residual(embed_dim, attention)
        self.mlp = Residual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attention(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.stack = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final = nn.LayerNorm(embed_dim)
        self.decoder = nn.Linear(embed_dim, vocab_size, bias=False)
        self.decoder.weight = self.token_embed.weight

    def forward(self, idx):
        n = idx.size(1)
        distance = torch.arange(n - 1, -1, -1, device=idx.device)
        h = self.drop(self.token_embed(idx) + self.pos_embed(distance))
        return self.decoder(self.final(self.stack(h)))
