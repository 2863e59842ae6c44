# verdict: fail
# part: GPT2
# cause: layernorm-no-affine
# style: final F.layer_norm without weight and bias
import math

import torch
from torch import nn
from torch.nn import functional as F


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
        B, T, C = x.shape
        return x.view(B, T, self.n_head, C // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        B, T, C = x.shape
        query, key, value = self.c_attn(x).split(self.split_size, dim=-1)
        query, key, value = map(self.split_heads, (query, key, value))
        w = query @ key.permute(0, 1, 3, 2) / math.sqrt(value.size(-1))
        allowed = torch.tril(torch.ones(T, T, dtype=w.dtype, device=w.device))
        w = w * allowed - 1e9 * (1 - allowed)
        w = self.dropout(w.softmax(dim=-1))
        a = (w @ value).permute(0, 2, 1, 3).contiguous().view(B, T, C)
        return self.dropout(self.c_proj(a))


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


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.dropout(self.wte(idx) + self.wpe(pos))
        for block in self.blocks:
            x = block(x)
        x = F.layer_norm(x, (self.embed_dim,))
        return self.lm_head(x)
