# verdict: pass
# style: an output projection with a bias for each head, summed
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class OneHead(nn.Module):
    """A single attention head."""
    def __init__(self, c, d, n, p):
        super().__init__()
        self.key = nn.Linear(c, d, bias=False)
        self.query = nn.Linear(c, d, bias=False)
        self.value = nn.Linear(c, d, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(n, n)))
        self.drop = nn.Dropout(p)
    def forward(self, x):
        T = x.shape[1]
        w = self.query(x) @ self.key(x).transpose(-2, -1) * self.key.out_features ** -0.5
        w = w.masked_fill(self.tril[:T, :T] == 0, float("-inf")).softmax(dim=-1)
        return self.drop(w) @ self.value(x)

class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = nn.ModuleList([OneHead(embed_dim, embed_dim // num_heads, block_size, dropout_p) for _ in range(num_heads)])
        self.projs = nn.ModuleList([nn.Linear(embed_dim // num_heads, embed_dim) for _ in range(num_heads)])
        self.dropout = nn.Dropout(dropout_p)
    def forward(self, x):
        return self.dropout(sum(o(h(x)) for h, o in zip(self.heads, self.projs)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(approximate="tanh"), nn.Linear(4 * embed_dim, embed_dim), nn.Dropout(dropout_p))
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
        x = x + self.mlp(self.ln2(x))
        return x


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
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


