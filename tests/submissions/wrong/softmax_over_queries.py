# verdict: fail
# part: CausalSelfAttention
# cause: softmax-dim
# style: scores kept as (B, T, S, H), softmax over axis 1 (queries) where axis 2 (keys) was meant
import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.shape = (3, num_heads, embed_dim // num_heads)
        self.inp = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        q, k, v = self.inp(x).unflatten(-1, self.shape).unbind(-3)
        scores = torch.einsum("bthd,bshd->btsh", q, k) * self.shape[-1] ** -0.5
        t = torch.arange(x.size(1), device=x.device)
        scores = scores.masked_fill((t[:, None] < t[None, :])[None, :, :, None], float("-inf"))
        weights = self.dropout(F.softmax(scores, dim=1))
        y = torch.einsum("btsh,bshd->bthd", weights, v)
        return self.dropout(self.out(y.flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)]
        )
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        first, second = self.layers
        return self.dropout(second(F.gelu(first(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.pre_attn = nn.LayerNorm(embed_dim)
        self.pre_mlp = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = torch.add(x, self.attn(self.pre_attn(x)))
        return torch.add(x, self.mlp(self.pre_mlp(x)))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "tok": nn.Embedding(vocab_size, embed_dim),
                "pos": nn.Embedding(block_size, embed_dim),
                "blocks": nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                "norm": nn.LayerNorm(embed_dim),
            }
        )

    def forward(self, idx):
        tr = self.transformer
        x = tr["tok"](idx) + tr["pos"].weight[: idx.size(1)]
        for block in tr["blocks"]:
            x = block(x)
        return F.linear(tr["norm"](x), tr["tok"].weight)
