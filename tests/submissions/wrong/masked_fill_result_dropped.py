# verdict: fail
# part: CausalSelfAttention
# cause: mask-none
# style: masked_fill without underscore and without assignment; loop over heads with slices
import math
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n, self.d = num_heads, embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("future", torch.triu(torch.ones(block_size, block_size), 1).bool())

    def forward(self, x):
        T = x.size(1)
        q, k, v = self.qkv(x).split(self.n * self.d, dim=-1)
        outs = []
        for i in range(self.n):
            s = slice(i * self.d, (i + 1) * self.d)
            w = q[..., s] @ k[..., s].transpose(1, 2) / math.sqrt(self.d)
            w.masked_fill(self.future[:T, :T], float("-inf"))
            w = torch.softmax(w, dim=-1)
            outs.append(self.drop(w) @ v[..., s])
        return self.drop(self.out(torch.cat(outs, dim=-1)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.up(x)
        x = self.act(x)
        x = self.down(x)
        return self.drop(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_attn = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        residual = x
        x = residual + self.attn(self.norm_attn(x))
        residual = x
        return residual + self.mlp(self.norm_mlp(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        self.drop = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, idx):
        x = self.drop(self.embed(idx) + self.pos[:, : idx.size(1)])
        return self.head(self.norm(self.blocks(x)))
