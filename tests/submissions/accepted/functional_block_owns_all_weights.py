# verdict: pass
# style: block written functionally on its own q, k, v, fc weights; no sub-modules in it
import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_attention(x, w_q, w_k, w_v, w_o, num_heads, p, training):
    """x (B, T, C), weights (out, in) -> (B, T, C)"""
    B, T, C = x.shape
    q = F.linear(x, w_q).view(B, T, num_heads, -1).transpose(1, 2)
    k = F.linear(x, w_k).view(B, T, num_heads, -1).transpose(1, 2)
    v = F.linear(x, w_v).view(B, T, num_heads, -1).transpose(1, 2)
    scores = q @ k.mT / q.size(-1) ** 0.5
    ahead = torch.ones(T, T, device=x.device).triu(1) > 0
    probs = F.dropout(F.softmax(scores.masked_fill(ahead, -torch.inf), -1), p, training)
    out = F.linear((probs @ v).transpose(1, 2).reshape(B, T, C), w_o)
    return F.dropout(out, p, training)


def feed_forward(x, w_fc, b_fc, w_proj, b_proj, p, training):
    """x (..., C) -> (..., C)"""
    hidden = F.gelu(F.linear(x, w_fc, b_fc), approximate="tanh")
    return F.dropout(F.linear(hidden, w_proj, b_proj), p, training)


def make(*shape, std=0.02):
    return nn.Parameter(torch.normal(0.0, std, shape))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.p = num_heads, dropout_p
        self.w_q = make(embed_dim, embed_dim)
        self.w_k = make(embed_dim, embed_dim)
        self.w_v = make(embed_dim, embed_dim)
        self.w_o = make(embed_dim, embed_dim)

    def forward(self, x):
        return causal_attention(
            x, self.w_q, self.w_k, self.w_v, self.w_o, self.num_heads, self.p, self.training
        )


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.w_fc, self.b_fc = make(4 * embed_dim, embed_dim), make(4 * embed_dim)
        self.w_proj, self.b_proj = make(embed_dim, 4 * embed_dim), make(embed_dim)

    def forward(self, x):
        return feed_forward(
            x, self.w_fc, self.b_fc, self.w_proj, self.b_proj, self.p, self.training
        )


class TransformerBlock(nn.Module):
    """Owns every weight itself: no sub-modules at all."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.C, self.num_heads, self.p = C, num_heads, dropout_p
        self.g1, self.s1 = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))
        self.q, self.k, self.v, self.o = make(C, C), make(C, C), make(C, C), make(C, C)
        self.g2, self.s2 = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))
        self.fc, self.fc_bias = make(4 * C, C), make(4 * C)
        self.proj, self.proj_bias = make(C, 4 * C), make(C)

    def forward(self, x):
        n = F.layer_norm(x, (self.C,), self.g1, self.s1)
        x = x + causal_attention(
            n, self.q, self.k, self.v, self.o, self.num_heads, self.p, self.training
        )
        n = F.layer_norm(x, (self.C,), self.g2, self.s2)
        return x + feed_forward(
            n, self.fc, self.fc_bias, self.proj, self.proj_bias, self.p, self.training
        )


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.tokens = make(vocab_size, embed_dim)
        self.positions = make(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.g = nn.Parameter(torch.ones(embed_dim))
        self.s = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, idx):
        x = F.embedding(idx, self.tokens) + self.positions[: idx.shape[1]]
        x = F.dropout(x, self.p, self.training)
        for block in self.blocks:
            x = block(x)
        return F.linear(F.layer_norm(x, self.g.shape, self.g, self.s), self.tokens)
