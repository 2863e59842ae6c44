# verdict: fail
# part: MLP
# cause: width-const
# style: 4 + embed_dim, a slip of one key; Conv1D as in the original code
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.vocab = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.where = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = F.embedding(idx, self.vocab) + self.where[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.vocab)  # the head shares the embedding matrix


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    @staticmethod
    def _residual(x, norm, sublayer):
        return x + sublayer(norm(x))

    def forward(self, x):
        x = self._residual(x, self.attn_norm, self.mixer)
        return self._residual(x, self.mlp_norm, self.feed_forward)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.split_size = embed_dim
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "bias", torch.ones(block_size, block_size, dtype=torch.bool).tril(), persistent=False
        )

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(v.size(-1))
        n = w.size(-1)
        w = w.masked_fill(~self.bias[:n, :n], -1e9)
        w = self.attn_dropout(w.softmax(-1))
        return torch.matmul(w, v)

    def _heads(self, t):
        return t.view(*t.shape[:-1], self.n_head, t.size(-1) // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        q, k, v = self.c_attn(x).split(self.split_size, dim=2)
        a = self._attn(self._heads(q), self._heads(k), self._heads(v))
        a = a.permute(0, 2, 1, 3).reshape(x.shape)
        return self.resid_dropout(self.c_proj(a))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        width = 4 + embed_dim
        self.a = nn.Linear(embed_dim, width)
        self.b = nn.Linear(width, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        h = F.gelu(self.a(x), approximate="tanh")
        return F.dropout(self.b(h), p=self.p, training=self.training)
