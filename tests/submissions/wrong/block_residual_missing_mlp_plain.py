# verdict: fail
# part: TransformerBlock
# cause: residual-missing-mlp
# style: returns mlp(ln_2(x)) alone; a loop over heads that slices columns
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.lin_q = nn.Linear(embed_dim, embed_dim)
        self.lin_k = nn.Linear(embed_dim, embed_dim)
        self.lin_v = nn.Linear(embed_dim, embed_dim)
        self.lin_o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        ones = torch.ones(block_size, block_size)
        self.register_buffer("mask", torch.triu(ones, diagonal=1).bool())

    def forward(self, x):
        T = x.shape[1]
        Q, K, V = self.lin_q(x), self.lin_k(x), self.lin_v(x)
        per_head = []
        for i in range(self.num_heads):
            cols = slice(i * self.head_dim, (i + 1) * self.head_dim)
            s = Q[..., cols] @ K[..., cols].transpose(1, 2)
            s = s / math.sqrt(self.head_dim)
            s = s.masked_fill(self.mask[:T, :T], float("-inf"))
            w = torch.softmax(s, dim=2)
            per_head.append(self.dropout(w) @ V[..., cols])
        return self.dropout(self.lin_o(torch.cat(per_head, dim=2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(self.fc1(x), approximate="tanh")
        return self.drop(self.fc2(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = F.embedding(idx, self.E) + self.P[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.E)  # the head shares the embedding matrix
