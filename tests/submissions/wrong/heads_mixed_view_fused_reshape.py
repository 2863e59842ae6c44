# verdict: fail
# part: CausalSelfAttention
# cause: heads-mixed-view
# style: fused qkv reshaped at once to (B, 3, H, T, d), mixing roles, heads and positions

import torch
from torch import nn
from torch.nn import functional as F


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), like the OpenAI code."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.02)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(embed_dim, 4 * embed_dim)
        self.c_proj = Conv1D(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout_p = dropout_p
        self.proj_drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        H = self.num_heads
        qkv = self.qkv(x).reshape(B, 3, H, T, C // H)
        q, k, v = qkv.unbind(dim=1)
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.dropout_p if self.training else 0.0
        )
        y = y.transpose(1, 2).reshape(B, T, C)
        return self.proj_drop(self.proj(y))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits (B, T, vocab_size)."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))[None]
        x = self.blocks(x)
        x = self.norm(x)
        return self.out(x)
