# verdict: fail
# part: CausalSelfAttention
# cause: scale-embed-dim
# style: separate Linears, additive -inf mask made on the fly; root of num_heads, not head_dim

from collections import OrderedDict

import torch
from torch import nn


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("fc_in", nn.Linear(embed_dim, 4 * embed_dim)),
                    ("act", nn.GELU()),
                    ("fc_out", nn.Linear(4 * embed_dim, embed_dim)),
                    ("drop", nn.Dropout(dropout_p)),
                ]
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        return self.layers(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_heads = num_heads
        self.d_head = embed_dim // num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split_heads(self, t):
        B, T, _ = t.shape
        return t.view(B, T, self.n_heads, self.d_head).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.shape
        q = self.split_heads(self.wq(x))
        k = self.split_heads(self.wk(x))
        v = self.split_heads(self.wv(x))
        mask = torch.full((T, T), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        att = torch.matmul(q, k.transpose(2, 3)) / self.n_heads**0.5 + mask
        att = self.dropout(att.softmax(-1))
        y = torch.matmul(att, v).transpose(1, 2).reshape(B, T, C)
        return self.dropout(self.wo(y))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.weight1 = nn.Parameter(torch.ones(embed_dim))
        self.bias1 = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.weight2 = nn.Parameter(torch.ones(embed_dim))
        self.bias2 = nn.Parameter(torch.zeros(embed_dim))
        self.mlp = MLP(embed_dim, dropout_p)

    @staticmethod
    def _norm(x, weight, bias):
        centred = x - x.mean(dim=-1, keepdim=True)
        var = x.var(dim=-1, keepdim=True, unbiased=False)
        return centred * torch.rsqrt(var + 1e-5) * weight + bias

    def forward(self, x):
        x = x + self.attn(self._norm(x, self.weight1, self.bias1))
        x = x + self.mlp(self._norm(x, self.weight2, self.bias2))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln = nn.LayerNorm(embed_dim)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, idx):
        positions = torch.arange(idx.shape[-1], device=idx.device)
        x = self.embed(idx) + self.pos_embed(positions)
        for layer in self.layers:
            x = layer(x)
        # the output matrix is the token embedding
        return self.ln(x) @ self.embed.weight.T
