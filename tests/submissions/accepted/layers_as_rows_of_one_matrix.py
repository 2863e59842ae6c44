# verdict: pass
# style: all weights of a layer are a row of one parameter
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def attend(x, wqkv, bqkv, wo, bo, heads, p, training):
    B, T, C = x.shape
    q, k, v = (x @ wqkv + bqkv).view(B, T, heads, 3, C // heads).permute(3, 0, 2, 1, 4)
    s = q @ k.transpose(-1, -2) / (C // heads) ** 0.5
    s = s + torch.triu(torch.full((T, T), -math.inf, dtype=x.dtype, device=x.device), 1)
    s = F.dropout(F.softmax(s, -1), p, training)
    return F.dropout((s @ v).transpose(1, 2).reshape(B, T, C) @ wo + bo, p, training)


def feed(x, w1, b1, w2, b2, p, training):
    return F.dropout(F.gelu(x @ w1 + b1, approximate="tanh") @ w2 + b2, p, training)


def norm(x, g, b):
    x = x - x.mean(-1, keepdim=True)
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * g + b


def attn_params(C):
    n = lambda *s: nn.Parameter(torch.randn(*s) * 0.02)
    z = lambda *s: nn.Parameter(torch.zeros(*s))
    return [n(C, 3 * C), z(3 * C), n(C, C), z(C)]


def mlp_params(C):
    n = lambda *s: nn.Parameter(torch.randn(*s) * 0.02)
    z = lambda *s: nn.Parameter(torch.zeros(*s))
    return [n(C, 4 * C), z(4 * C), n(4 * C, C), z(C)]


def block_params(C):
    o = lambda: nn.Parameter(torch.ones(C))
    z = lambda: nn.Parameter(torch.zeros(C))
    return [o(), z(), *attn_params(C), o(), z(), *mlp_params(C)]


def run_block(x, w, heads, p, training):
    g1, h1, a, b, c, d, g2, h2, *m = w
    x = x + attend(norm(x, g1, h1), a, b, c, d, heads, p, training)
    return x + feed(norm(x, g2, h2), *m, p, training)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.w, self.heads, self.p = nn.ParameterList(attn_params(embed_dim)), num_heads, dropout_p

    def forward(self, x):
        return attend(x, *self.w, self.heads, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w, self.p = nn.ParameterList(mlp_params(embed_dim)), dropout_p

    def forward(self, x):
        return feed(x, *self.w, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.w, self.heads, self.p = nn.ParameterList(block_params(embed_dim)), num_heads, dropout_p

    def forward(self, x):
        return run_block(x, self.w, self.heads, self.p, self.training)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.shapes = [w.shape for w in block_params(embed_dim)]
        self.layers = nn.Parameter(torch.stack([torch.cat([w.detach().flatten() for w in block_params(embed_dim)]) for _ in range(num_layers)]))
        self.g = nn.Parameter(torch.ones(embed_dim))
        self.b = nn.Parameter(torch.zeros(embed_dim))
        self.heads, self.p = num_heads, dropout_p

    def forward(self, idx):
        x = F.dropout(self.wte[idx] + self.wpe[: idx.shape[1]], self.p, self.training)
        for row in self.layers:
            w = [p.view(s) for p, s in zip(row.split([s.numel() for s in self.shapes]), self.shapes)]
            x = run_block(x, w, self.heads, self.p, self.training)
        return norm(x, self.g, self.b) @ self.wte.T
