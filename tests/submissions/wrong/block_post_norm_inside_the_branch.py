# verdict: fail
# part: TransformerBlock
# cause: post-norm
# style: each branch is normed after its sublayer, before the sum; 1x1 convolutions, channels first
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_attn = nn.LayerNorm(embed_dim)
        self.norm_mlp = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.norm_attn(self.attn(x))
        return x + self.norm_mlp(self.mlp(x))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.groups = num_heads
        self.pointwise_in = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.pointwise_out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        z = self.pointwise_in(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.drop(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.drop(self.pointwise_out(y)).transpose(1, 2)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        sizes = [embed_dim, 4 * embed_dim, embed_dim]
        self.stages = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        first, second = self.stages
        return self.dropout(second(F.gelu(first(x))))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.trunk = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions[: idx.size(1)]
        return self.unembed(self.ln(self.trunk(x)))
