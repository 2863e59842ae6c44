# verdict: fail
# part: TransformerBlock
# cause: hard-coded-heads
# style: num_heads=2 left over from a first try; fused qkv Linear
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.hd = embed_dim // num_heads
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.resid_drop = nn.Dropout(dropout_p)
        mask = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("tril", mask.view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.to_qkv(x).split(C, dim=2)
        q = q.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        k = k.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        v = v.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(self.hd)
        att = att.masked_fill(self.tril[:, :, :T, :T] == 0, float("-inf"))
        att = self.attn_drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_drop(self.to_out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc_in = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.fc_out = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        self.gelu = nn.GELU()

    def forward(self, x):
        return self.drop(self.fc_out(self.gelu(self.fc_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=2, block_size=block_size, dropout_p=dropout_p
        )
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pos_embedding, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.transformer = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pos_embedding[:, :n, :])
        return self.head(self.transformer(h))
