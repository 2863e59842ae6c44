# verdict: fail
# part: TransformerBlock
# cause: norm-missing-1
# style: ln_1 exists, attention gets x without it; einsum over 3-D weights
import functools

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.q_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.k_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.v_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.o_kernel = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.dropout = nn.Dropout(dropout_p)
        self.scale = D**-0.5

    def forward(self, x):
        T = x.size(1)
        q = torch.einsum("btc,hcd->bhtd", x, self.q_kernel)
        k = torch.einsum("btc,hcd->bhtd", x, self.k_kernel)
        v = torch.einsum("btc,hcd->bhtd", x, self.v_kernel)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
        pos = torch.arange(T, device=x.device)
        visible = pos[None, :] <= pos[:, None]
        scores = torch.where(visible, scores, torch.finfo(scores.dtype).min)
        attn = self.dropout(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", attn, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.o_kernel)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.mlp(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        attn_out = self.attn(x)
        x = x + attn_out
        mlp_out = self.mlp(self.ln_2(x))
        x = x + mlp_out
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_table = nn.Embedding(vocab_size, embed_dim)
        self.position_table = nn.Embedding(block_size, embed_dim)
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
        return self.token_table(idx) + self.position_table(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.layers, self.embed(idx))
        return self.unembed(self.ln_f(x))
