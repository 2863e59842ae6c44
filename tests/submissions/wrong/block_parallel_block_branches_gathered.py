# verdict: fail
# part: TransformerBlock
# cause: parallel-block
# style: branches computed in a comprehension, then summed; fused qkv Linear
import math

import torch
import torch.nn.functional as F
from torch import nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.embed(idx) + self.pos[: idx.size(1)]
        return self.head(self.norm(self.blocks(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(
                    nn.LayerNorm(embed_dim),
                    CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                ),
                nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x):
        deltas = torch.stack([branch(x) for branch in self.branches])
        return x + deltas.sum(dim=0)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.hd = embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.resid_drop = nn.Dropout(dropout_p)
        mask = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("bias", mask.view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q = q.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        k = k.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        v = v.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(self.hd)
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        att = self.attn_drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_drop(self.proj(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.inner = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.outer = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        self.gelu = nn.GELU()

    def forward(self, x):
        return self.drop(self.outer(self.gelu(self.inner(x))))
