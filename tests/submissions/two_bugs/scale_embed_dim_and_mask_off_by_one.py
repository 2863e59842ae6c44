# verdict: fail
# part: CausalSelfAttention
# causes: scale-embed-dim mask-off-by-one
# style: einsum over named letters, additive mask built on the fly; both slips are one token long
import math

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.n_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.out_drop = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        h, d = self.n_heads, c // self.n_heads
        q = self.wq(x).view(b, t, h, d)
        k = self.wk(x).view(b, t, h, d)
        v = self.wv(x).view(b, t, h, d)
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(c)
        mask = torch.full((t, t), float("-inf"), dtype=x.dtype, device=x.device)
        scores = scores + torch.triu(mask, diagonal=2)
        weights = self.attn_drop(torch.softmax(scores, dim=-1))
        out = torch.einsum("bhij,bjhd->bihd", weights, v)
        return self.out_drop(self.wo(out.reshape(b, t, c)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Linear(embed_dim, embed_dim * 4)
        self.w2 = nn.Linear(embed_dim * 4, embed_dim)
        self.gelu = nn.GELU(approximate="tanh")
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.w1(x)
        x = self.gelu(x)
        x = self.w2(x)
        return self.drop(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        x = x + self.feed_forward(self.norm2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.01)
        self.emb_drop = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        t = idx.shape[1]
        x = self.emb_drop(self.tok_emb(idx) + self.pos_emb[:, :t, :])
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
