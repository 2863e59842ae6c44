# verdict: fail
# part: GPT2
# cause: blocks-not-registered
# style: the blocks stand in an ordinary dict under their layer number
import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x.transpose(1, 2)).chunk(3, dim=1)
        # channels first: (B, H, D, T)
        q = q.reshape(B, self.num_heads, -1, T)
        k = k.reshape(B, self.num_heads, -1, T)
        v = v.reshape(B, self.num_heads, -1, T)
        scores = q.transpose(2, 3) @ k / math.sqrt(C // self.num_heads)
        scores = scores.masked_fill(~self.mask[:T, :T], -math.inf)
        probs = self.drop(torch.softmax(scores, dim=-1))
        y = (v @ probs.transpose(2, 3)).reshape(B, C, T)
        return self.drop(self.out(y)).transpose(1, 2)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        inner = embed_dim * 4
        self.layers = nn.ModuleDict(
            {
                "fc": nn.Linear(embed_dim, inner, bias=False),
                "act": nn.GELU("tanh"),
                "proj": nn.Linear(inner, embed_dim, bias=False),
                "drop": nn.Dropout(dropout_p),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.mlp = MLP(embed_dim, dropout_p=dropout_p)
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.g1, self.b1))
        x = x + self.mlp(F.layer_norm(x, shape, self.g2, self.b2))
        return x


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.layers = {}
        for i in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.layers[f"layer_{i}"] = block
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for name in self.layers:
            x = self.layers[name](x)
        return self.head(self.ln_f(x))
