# verdict: fail
# part: GPT2
# cause: wrong-signature
# style: there is no block_size argument, the context length is a constant
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


MAX_LEN = 1024


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(MAX_LEN, embed_dim)
        self.blocks = nn.ModuleList(
            [TransformerBlock(embed_dim, num_heads, MAX_LEN, dropout_p) for _ in range(num_layers)]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.d_head = embed_dim // num_heads
        shape = (num_heads, embed_dim, self.d_head)
        self.W_Q = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_K = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_V = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, self.d_head, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("bqe,ned->bnqd", x, self.W_Q)
        k = torch.einsum("bke,ned->bnkd", x, self.W_K)
        v = torch.einsum("bke,ned->bnkd", x, self.W_V)
        scores = torch.einsum("bnqd,bnkd->bnqk", q, k) / math.sqrt(self.d_head)
        L = x.shape[1]
        allowed = torch.ones(L, L, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(allowed, scores, torch.full_like(scores, float("-inf")))
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bnqk,bnkd->bnqd", pattern, v)
        return torch.einsum("bnqd,nde->bqe", z, self.W_O)
