# verdict: pass
# style: whole model inlined: all layers' weights stacked (L, ...), scanned as in JAX
import torch
import torch.nn as nn
import torch.nn.functional as F


def dense(*shape):
    return nn.Parameter(torch.randn(*shape) * shape[-2] ** -0.5)


def attend(x, w_in, w_out, heads, p, training):
    B, T, C = x.shape
    q, k, v = (x @ w_in).view(B, T, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
    s = q @ k.transpose(-1, -2) * (C // heads) ** -0.5
    s = s.masked_fill(~torch.ones(T, T, dtype=torch.bool, device=x.device).tril(), float("-inf"))
    y = s.softmax(-1) @ v
    return F.dropout(y.transpose(1, 2).reshape(B, T, C) @ w_out, p, training)


def feed(x, w_up, w_down, p, training):
    return F.dropout(F.gelu(x @ w_up, approximate="tanh") @ w_down, p, training)


def norm(x, g, b):
    return F.layer_norm(x, g.shape, g, b)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.w_in, self.w_out = dense(embed_dim, 3 * embed_dim), dense(embed_dim, embed_dim)
        self.heads, self.p = num_heads, dropout_p

    def forward(self, x):
        return attend(x, self.w_in, self.w_out, self.heads, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_up, self.w_down = dense(embed_dim, 4 * embed_dim), dense(4 * embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        return feed(x, self.w_up, self.w_down, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        L, C = num_layers, embed_dim
        self.heads, self.p = num_heads, dropout_p
        self.wte = nn.Parameter(torch.randn(vocab_size, C) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, C) * 0.02)
        self.w_in, self.w_out = dense(L, C, 3 * C), dense(L, C, C)
        self.w_up, self.w_down = dense(L, C, 4 * C), dense(L, 4 * C, C)
        self.g = nn.Parameter(torch.ones(2 * L + 1, C))  # ln1 and ln2 of each layer, then the last
        self.b = nn.Parameter(torch.zeros(2 * L + 1, C))

    def step(self, x, layer):
        w_in, w_out, w_up, w_down, g1, b1, g2, b2 = layer
        x = x + attend(norm(x, g1, b1), w_in, w_out, self.heads, self.p, self.training)
        return x + feed(norm(x, g2, b2), w_up, w_down, self.p, self.training)

    def forward(self, idx):
        x = self.wte[idx] + self.wpe[: idx.shape[1]]
        layers = zip(
            self.w_in,
            self.w_out,
            self.w_up,
            self.w_down,
            self.g[0:-1:2],
            self.b[0:-1:2],
            self.g[1::2],
            self.b[1::2],
        )
        for layer in layers:
            x = self.step(x, layer)
        return norm(x, self.g[-1], self.b[-1]) @ self.wte.mT
