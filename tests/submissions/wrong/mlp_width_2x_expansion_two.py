# verdict: fail
# part: MLP
# cause: width-2x
# style: an expansion factor, set to two; q alone and kv together, additive mask
import functools

import torch
import torch.nn as nn


class MLP(nn.Module):
    expansion = 2

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden_dim = self.expansion * embed_dim
        self.up_proj = nn.Linear(embed_dim, hidden_dim)
        self.down_proj = nn.Linear(hidden_dim, embed_dim)
        self.act_fn = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.down_proj(self.act_fn(self.up_proj(x))))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wkv = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.wo = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        b, n, c = x.shape
        d = c // self.heads
        q = self.wq(x).reshape(b, n, self.heads, d).movedim(2, 1)
        k, v = self.wkv(x).reshape(b, n, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(2, 3)) / d**0.5
        neg = torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        attn = self.drop(torch.softmax(dots + neg, dim=3))
        out = torch.matmul(attn, v).movedim(1, 2).reshape(b, n, c)
        return self.wo(out)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    @staticmethod
    def _residual(x, norm, sublayer):
        return x + sublayer(norm(x))

    def forward(self, x):
        x = self._residual(x, self.norm1, self.attention)
        return self._residual(x, self.norm2, self.ff)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p=dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        return self.wte(idx) + self.wpe(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.layers, self.embed(idx))
        return self.unembed(self.ln_f(x))
