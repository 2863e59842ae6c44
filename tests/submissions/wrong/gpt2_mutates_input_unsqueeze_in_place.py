# verdict: fail
# part: GPT2
# cause: mutates-input
# style: one-hot lookup; unsqueeze_ leaves the caller with a tensor of another shape
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


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
        seq_len = x.size(1)
        outputs = []
        qs = self.wq(x).chunk(self.num_heads, dim=-1)
        ks = self.wk(x).chunk(self.num_heads, dim=-1)
        vs = self.wv(x).chunk(self.num_heads, dim=-1)
        for q, k, v in zip(qs, ks, vs):
            s = q @ k.transpose(1, 2) / math.sqrt(q.size(-1)) + self.blocked[:seq_len, :seq_len]
            p = self.dropout(torch.softmax(s, dim=-1))
            outputs.append(p @ v)
        return self.wo(torch.cat(outputs, dim=-1))


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
        self.vocab_size = vocab_size
        self.W_E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.W_P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        B, T = idx.shape
        one_hot = self.W_E.new_zeros(B, T, self.vocab_size)
        one_hot.scatter_(2, idx.unsqueeze_(-1), 1.0)
        x = one_hot @ self.W_E + self.W_P[:T]
        for block in self.blocks:
            x = block(x)
        return self.ln(x) @ self.W_U
