# verdict: pass
# style: two layers in each of a module list
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n = num_heads
        self.wkv = nn.Parameter(torch.randn(num_heads, 2, embed_dim // num_heads, embed_dim) * 0.02)
        self.wq = nn.Parameter(torch.randn(embed_dim, embed_dim) * 0.02)
        self.wo = nn.Parameter(torch.randn(embed_dim, embed_dim) * 0.02)
        self.vectors = nn.Parameter(torch.zeros(embed_dim, 2))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        bq, bo = self.vectors.unbind(1)
        q = (x @ self.wq + bq).view(B, T, self.n, -1).transpose(1, 2)
        k, v = torch.einsum("btc,nsdc->sbntd", x, self.wkv)
        s = torch.matmul(q, k.transpose(2, 3)) / k.size(-1) ** 0.5
        s += torch.full((T, T), float("-inf"), dtype=s.dtype, device=s.device).triu_(1)
        y = torch.matmul(self.drop(s.softmax(-1)), v).transpose(1, 2).reshape(B, T, C)
        return self.drop(F.linear(y, self.wo, bo))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim), nn.Dropout(dropout_p)
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        B, T = idx.shape
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(T, device=idx.device)))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))
