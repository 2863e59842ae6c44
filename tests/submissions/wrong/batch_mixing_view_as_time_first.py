# verdict: fail
# part: CausalSelfAttention
# cause: batch-mixing
# style: wants (T, B, C) and gets it with view instead of transpose: right for one sequence only

import math

import torch
import torch.nn.functional as F
from torch import nn


def gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, embed_dim * 4)
        self.down = nn.Linear(embed_dim * 4, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(gelu(self.up(x))))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.d_k = embed_dim // num_heads
        self.q_linear = nn.Linear(embed_dim, embed_dim)
        self.k_linear = nn.Linear(embed_dim, embed_dim)
        self.v_linear = nn.Linear(embed_dim, embed_dim)
        self.o_linear = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        x = x.reshape(T, B, C)  # time first
        q = self.q_linear(x).reshape(T, B * self.h, self.d_k).transpose(0, 1)
        k = self.k_linear(x).reshape(T, B * self.h, self.d_k).transpose(0, 1)
        v = self.v_linear(x).reshape(T, B * self.h, self.d_k).transpose(0, 1)
        scores = torch.bmm(q, k.transpose(1, 2)) * self.d_k**-0.5
        mask = torch.full((T, T), float("-inf"), device=x.device).triu(1)
        weights = self.dropout(F.softmax(scores + mask, dim=-1))
        y = torch.bmm(weights, v).transpose(0, 1).reshape(T, B, C)
        y = self.dropout(self.o_linear(y))
        return y.reshape(B, T, C)


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
        self.block_size = block_size
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)
        self.to_logits.weight = self.token.weight

    def num_params(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("sequence longer than block_size")
        where = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        x = self.token(idx) + self.position(where)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))

    @torch.no_grad()
    def generate(self, idx, n_new):
        for _ in range(n_new):
            logits = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx
