# verdict: fail
# part: GPT2
# cause: no-position
# style: wpe is made in __init__ but forward embeds tokens only; functional composition
from functools import partial, reduce

import torch
import torch.nn as nn
import torch.nn.functional as F


def pipe(x, *fs):
    return reduce(lambda a, f: f(a), fs, x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(embed_dim, embed_dim) for _ in range(4))
        self.drop = nn.Dropout(dropout_p)
        self.split = lambda t: t.view(*t.shape[:2], num_heads, -1).transpose(1, 2)

    def forward(self, x):
        q, k, v = (pipe(x, f, self.split) for f in (self.q, self.k, self.v))
        attend = partial(F.scaled_dot_product_attention, is_causal=True)
        return pipe(attend(q, k, v), lambda t: t.transpose(1, 2).flatten(2), self.o, self.drop)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return pipe(x, self.up, F.gelu, self.down, self.drop)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + pipe(x, self.n1, self.attn)
        return x + pipe(x, self.n2, self.mlp)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.wte(idx)
        return pipe(x, self.drop, *self.blocks, self.ln, self.head)
