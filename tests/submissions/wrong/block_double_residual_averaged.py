# verdict: fail
# part: TransformerBlock
# cause: double-residual
# style: skip and branch are averaged, not added; heads folded into the batch, baddbmm
import functools

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.d = num_heads, embed_dim // num_heads
        self.fused = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.unify = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        neg = torch.full((block_size, block_size), float("-inf"))
        self.register_buffer("neg", torch.triu(neg, diagonal=1))

    def fold(self, t):
        b, n, _ = t.shape
        return t.reshape(b, n, self.h, self.d).transpose(1, 2).reshape(b * self.h, n, self.d)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = map(self.fold, self.fused(x).chunk(3, dim=-1))
        w = torch.baddbmm(self.neg[:n, :n], q, k.transpose(1, 2), alpha=self.d**-0.5)
        y = torch.bmm(self.drop(w.softmax(2)), v)
        y = y.reshape(b, self.h, n, self.d).transpose(1, 2).reshape(b, n, c)
        return self.unify(y)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

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
        # keep the size of the residual stream constant with depth
        x = 0.5 * (x + self.attn(self.ln_1(x)))
        x = 0.5 * (x + self.mlp(self.ln_2(x)))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_table = nn.Embedding(vocab_size, embed_dim)
        self.position_table = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p=dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        return self.token_table(idx) + self.position_table(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.blocks, self.embed(idx))
        return self.unembed(self.ln_f(x))
