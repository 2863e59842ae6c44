# verdict: fail
# part: MLP
# cause: width-2x
# style: config dataclass whose mlp_ratio is 2; nn.Parameter attention with 4-D einsum weights
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    width: int
    heads: int = 1
    dropout: float = 0.0
    mlp_ratio: int = 2

    @property
    def head_width(self):
        return self.width // self.heads


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        cfg = self.cfg = Config(embed_dim, num_heads, dropout_p)
        self.qkv = nn.Parameter(
            torch.randn(3, num_heads, embed_dim, cfg.head_width) * embed_dim**-0.5
        )
        self.out = nn.Parameter(torch.randn(num_heads, cfg.head_width, embed_dim) * embed_dim**-0.5)

    def forward(self, x):
        q, k, v = torch.einsum("btc,rhcd->rbhtd", x, self.qkv)
        s = torch.einsum("bhtd,bhsd->bhts", q, k) / self.cfg.head_width**0.5
        t = torch.arange(x.size(1), device=x.device)
        s = s.masked_fill(t > t[:, None], float("-inf"))
        p = F.dropout(s.softmax(-1), self.cfg.dropout, self.training)
        y = torch.einsum("bhts,bhsd,hdc->btc", p, v, self.out)
        return F.dropout(y, self.cfg.dropout, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        cfg = self.cfg = Config(embed_dim, dropout=dropout_p)
        self.up = nn.Linear(embed_dim, cfg.mlp_ratio * embed_dim)
        self.down = nn.Linear(cfg.mlp_ratio * embed_dim, embed_dim)

    def forward(self, x):
        return F.dropout(self.down(F.gelu(self.up(x))), self.cfg.dropout, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.pre1, self.pre2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.sub1 = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.sub2 = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.sub1(self.pre1(x))
        return x + self.sub2(self.pre2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe.weight[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return torch.einsum("btc,vc->btv", self.ln_f(x), self.wte.weight)
