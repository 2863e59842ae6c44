# verdict: pass
# style: nn.ModuleDict inside every class, looked up by key; blocks in a nested nn.ModuleList
import math

import torch
import torch.nn as nn
from torch.nn import functional as F


class NewGELU(nn.Module):
    def forward(self, x):
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))
        return 0.5 * x * (1.0 + torch.tanh(inner))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.proj = nn.ModuleDict(
            {name: nn.Linear(embed_dim, embed_dim) for name in ("key", "query", "value", "out")}
        )
        self.drop = nn.ModuleDict({name: nn.Dropout(dropout_p) for name in ("weights", "residual")})
        tril = torch.tril(torch.ones(block_size, block_size, dtype=torch.uint8))
        self.register_buffer("allowed", tril, persistent=False)

    def project(self, name, x):
        B, T, C = x.shape
        return self.proj[name](x).view(B, T, self.n_head, C // self.n_head).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (self.project(name, x) for name in ("query", "key", "value"))
        att = q @ (k / math.sqrt(k.size(-1))).transpose(2, 3)
        att = att.masked_fill(self.allowed[:T, :T] == 0, -1e9)
        att = self.drop["weights"](F.softmax(att, dim=3))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.drop["residual"](self.proj["out"](y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.steps = nn.ModuleDict(
            {
                "expand": nn.Linear(embed_dim, 4 * embed_dim),
                "gelu": NewGELU(),
                "contract": nn.Linear(4 * embed_dim, embed_dim),
                "dropout": nn.Dropout(dropout_p),
            }
        )

    def forward(self, x):
        for step in self.steps.values():
            x = step(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm = nn.ModuleDict()
        self.fn = nn.ModuleDict()
        self.fn["attn"] = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.fn["mlp"] = MLP(embed_dim, dropout_p)
        for name in self.fn:
            self.norm[name] = nn.LayerNorm(embed_dim)

    def forward(self, x):
        for name in ("attn", "mlp"):
            x = x + self.fn[name](self.norm[name](x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
                head=nn.Linear(embed_dim, vocab_size, bias=False),
            )
        )

    def forward(self, idx):
        net = self.transformer
        pos = torch.arange(0, idx.size(1), device=idx.device).unsqueeze(0)
        x = net["drop"](net["wte"](idx) + net["wpe"](pos))
        for block in net["h"]:
            x = block(x)
        return net["head"](net["ln_f"](x))
