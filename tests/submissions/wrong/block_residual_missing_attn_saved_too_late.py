# verdict: fail
# part: TransformerBlock
# cause: residual-missing-attn
# style: residual is saved after the attention has run; Conv1D as in the original code
import functools
import math

import torch
import torch.nn as nn


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
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p=dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        return self.tok(idx) + self.pos(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.layers, self.embed(idx))
        return self.unembed(self.ln_f(x))


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(embed_dim)
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.post_attention_layernorm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention
        x = self.self_attn(self.input_layernorm(x))
        # feed-forward
        residual = x
        x = self.mlp(self.post_attention_layernorm(x))
        return residual + x


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.split_size = embed_dim
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.drop_a = nn.Dropout(dropout_p)
        self.drop_r = nn.Dropout(dropout_p)
        self.register_buffer(
            "b", torch.ones(block_size, block_size, dtype=torch.bool).tril(), persistent=False
        )

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(v.size(-1))
        n = w.size(-1)
        w = w.masked_fill(~self.b[:n, :n], -1e9)
        w = self.drop_a(w.softmax(-1))
        return torch.matmul(w, v)

    def _heads(self, t):
        return t.view(*t.shape[:-1], self.n_head, t.size(-1) // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        q, k, v = self.c_attn(x).split(self.split_size, dim=2)
        a = self._attn(self._heads(q), self._heads(k), self._heads(v))
        a = a.permute(0, 2, 1, 3).reshape(x.shape)
        return self.drop_r(self.c_proj(a))


class MLP(nn.Sequential):
    """The position-wise feed-forward network."""

    def __init__(self, embed_dim, dropout_p=0.0):
        hidden = 4 * embed_dim
        super().__init__(
            nn.Linear(embed_dim, hidden),
            nn.GELU("tanh"),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(dropout_p),
        )
