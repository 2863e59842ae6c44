# verdict: fail
# part: MLP
# cause: randomness-in-eval
# style: the bias of the second layer drawn anew at each call; a loop over heads that slices columns
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_out = nn.Parameter(torch.empty(embed_dim, 4 * embed_dim))
        nn.init.xavier_uniform_(self.w_out)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(self.w_in(x), approximate="tanh")
        bias = torch.empty(self.embed_dim, dtype=x.dtype, device=x.device).normal_(std=0.02)
        return self.drop(F.linear(h, self.w_out, bias))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.final = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        ones = torch.ones(block_size, block_size)
        self.register_buffer("mask", torch.triu(ones, diagonal=1).bool())

    def forward(self, x):
        T = x.shape[1]
        Q, K, V = self.query(x), self.key(x), self.value(x)
        outs = []
        for i in range(self.num_heads):
            cols = slice(i * self.head_dim, (i + 1) * self.head_dim)
            s = Q[..., cols] @ K[..., cols].transpose(1, 2)
            s = s / math.sqrt(self.head_dim)
            s = s.masked_fill(self.mask[:T, :T], float("-inf"))
            w = torch.softmax(s, dim=2)
            outs.append(self.dropout(w) @ V[..., cols])
        return self.dropout(self.final(torch.cat(outs, dim=2)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        mid = torch.add(x, self.attention(self.norm1(x)))
        return torch.add(mid, self.ff(self.norm2(mid)))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        B, T = idx.shape
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
