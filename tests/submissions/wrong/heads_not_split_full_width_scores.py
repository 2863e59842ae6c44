# verdict: fail
# part: CausalSelfAttention
# cause: heads-not-split
# style: q, k, v stay (B, T, C): one attention over the full width, though scaled by head_dim

import math

import torch
import torch.nn.functional as F
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q = nn.Linear(embed_dim, embed_dim)
        self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.shape
        q = self.q(x)
        k = self.k(x)
        v = self.v(x)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        scores = scores.masked_fill(self.mask[:T, :T] == 0, float("-inf"))
        attn = self.dropout(F.softmax(scores, dim=-1))
        return self.dropout(self.out(attn @ v))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        inner = 4 * embed_dim
        self.w_up = nn.Parameter(torch.randn(inner, embed_dim) / math.sqrt(embed_dim))
        self.b_up = nn.Parameter(torch.zeros(inner))
        self.w_down = nn.Parameter(torch.randn(embed_dim, inner) / math.sqrt(inner))
        self.b_down = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = torch.einsum("btc,fc->btf", x, self.w_up) + self.b_up
        h = nn.functional.gelu(h)
        out = torch.einsum("btf,cf->btc", h, self.w_down) + self.b_down
        return self.dropout(out)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim)
        self.ln_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)

    def forward(self, x):
        residual = x
        x = self.ln_attn(x)
        x = self.attn(x)
        x = residual + x

        residual = x
        x = self.ln_mlp(x)
        x = self.mlp(x)
        x = residual + x
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        blocks = []
        for i in range(num_layers):
            blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.blocks = nn.ModuleList(blocks)
        self.ln_f = LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        tok = self.wte(idx)  # (B, T, C)
        pos = self.wpe(torch.arange(T, device=idx.device))  # (T, C)
        x = tok + pos.unsqueeze(0).expand(B, -1, -1)
        for blk in self.blocks:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
