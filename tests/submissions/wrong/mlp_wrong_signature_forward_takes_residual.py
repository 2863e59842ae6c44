# verdict: fail
# part: MLP
# cause: wrong-signature
# style: forward wants the residual as a second argument; Conv1D as in the original code
import math

import torch
import torch.nn.functional as F
from torch import nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.input_norm = nn.LayerNorm(embed_dim)
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.post_attn_norm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.self_attn(self.input_norm(x))
        return self.mlp(self.post_attn_norm(x), residual=x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.split_size = embed_dim
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.drop_a = nn.Dropout(dropout_p)
        self.drop_r = nn.Dropout(dropout_p)
        self.register_buffer(
            "bias", torch.ones(block_size, block_size, dtype=torch.bool).tril(), persistent=False
        )

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(v.size(-1))
        n = w.size(-1)
        w = w.masked_fill(~self.bias[:n, :n], -1e9)
        w = self.drop_a(w.softmax(-1))
        return torch.matmul(w, v)

    def _heads(self, t):
        return t.view(*t.shape[:-1], self.n_head, t.size(-1) // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        q, k, v = self.c_attn(x).split(self.split_size, dim=2)
        a = self._attn(self._heads(q), self._heads(k), self._heads(v))
        a = a.permute(0, 2, 1, 3).reshape(x.shape)
        return self.drop_r(self.c_proj(a))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x, residual):
        x = F.gelu(self.up(x), approximate="tanh")
        return residual + self.dropout(self.down(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pos_embedding, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.transformer = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pos_embedding[:, :n, :])
        return self.head(self.transformer(h))
