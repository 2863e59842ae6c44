# verdict: pass
# style: channels interleaved, view(B, T, 3, D, H): head dimension outer, head inner
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "mask", torch.ones(block_size, block_size).triu(1).to(torch.bool), persistent=True
        )

    def forward(self, x):
        b, t, c = x.shape
        # channel c of a role is (dimension c // H, head c % H)
        qkv = self.in_proj(x).view(b, t, 3, self.head_dim, self.num_heads)
        q, k, v = qkv.permute(2, 0, 4, 1, 3)  # each (b, H, t, D)
        scores = q.matmul(k.transpose(-1, -2)) / math.sqrt(self.head_dim)
        scores.masked_fill_(self.mask[:t, :t], -math.inf)
        out = self.dropout(F.softmax(scores, dim=-1)).matmul(v)  # (b, H, t, D)
        out = out.permute(0, 2, 3, 1).reshape(b, t, c)  # D outer, H inner again
        return self.dropout(self.out_proj(out))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layers = nn.Sequential()
        self.layers.add_module("fc", nn.Linear(embed_dim, 4 * embed_dim))
        self.layers.add_module("gelu", nn.GELU())
        self.layers.add_module("proj", nn.Linear(4 * embed_dim, embed_dim))
        self.layers.add_module("drop", nn.Dropout(dropout_p))

    def forward(self, x):
        return self.layers(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.wte.weight = self.head.weight

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)[None, :]
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))
