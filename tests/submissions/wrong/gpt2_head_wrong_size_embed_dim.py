# verdict: fail
# part: GPT2
# cause: head-wrong-size
# style: the last Linear goes from embed_dim to embed_dim
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


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), as in the TensorFlow release."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.split_size = embed_dim
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split_heads(self, x):
        bsz, seq_len, dim = x.shape
        return x.view(bsz, seq_len, self.n_head, dim // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        bsz, seq_len, dim = x.shape
        query, key, value = self.c_attn(x).split(self.split_size, dim=-1)
        query, key, value = map(self.split_heads, (query, key, value))
        w = query @ key.permute(0, 1, 3, 2) / math.sqrt(value.size(-1))
        allowed = torch.tril(torch.ones(seq_len, seq_len, dtype=w.dtype, device=w.device))
        w = w * allowed - 1e9 * (1 - allowed)
        w = self.dropout(w.softmax(dim=-1))
        a = (w @ value).permute(0, 2, 1, 3).contiguous().view(bsz, seq_len, dim)
        return self.dropout(self.c_proj(a))


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


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.trunk = nn.Sequential(*[
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        ])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, embed_dim)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))
        x = self.trunk(x)
        return self.head(self.norm(x))
