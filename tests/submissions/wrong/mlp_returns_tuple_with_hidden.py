# verdict: fail
# part: MLP
# cause: returns-tuple
# style: hands the hidden units back too; the block unpacks them; 1x1 convolutions, channels first
import math

import torch
import torch.nn as nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = self.act(self.fc1(x))
        out = self.dropout(self.fc2(hidden))
        return out, hidden


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.groups = num_heads
        self.conv_in = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.conv_out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        z = self.conv_in(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.dropout(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.dropout(self.conv_out(y)).transpose(1, 2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        y, _ = self.mlp(self.norm_2(x))
        return x + y


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pe, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pe[:, :n, :])
        return self.head(self.body(h))
