# verdict: fail
# part: TransformerBlock
# cause: dropout-not-passed
# style: attention gets dropout_p, the MLP does not; a loop over heads that slices columns
import math

import torch
import torch.nn as nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


def new_gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.final = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        ones = torch.ones(block_size, block_size)
        self.register_buffer("mask", torch.triu(ones, diagonal=1).bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.shape[1]
        Q, K, V = self.query(x), self.key(x), self.value(x)
        outs = []
        for i in range(self.num_heads):
            cols = slice(i * self.head_dim, (i + 1) * self.head_dim)
            s = Q[..., cols] @ K[..., cols].transpose(1, 2)
            s = s / math.sqrt(self.head_dim)
            s = s.masked_fill(self.mask[:T, :T], float("-inf"))
            w = torch.softmax(s, dim=2)
            outs.append(self.dropout(w) @ V[..., cols])
        return self.dropout(self.final(torch.cat(outs, dim=2)))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.c_fc = Conv1D(4 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, 4 * embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = new_gelu(self.c_fc(x))
        h = self.c_proj(h)
        return self.dropout(h)


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.parts = nn.ModuleDict(
            dict(
                ln1=nn.LayerNorm(embed_dim),
                attn=CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p),
                ln2=nn.LayerNorm(embed_dim),
                mlp=MLP(embed_dim),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.parts.attn(self.parts.ln1(x))
        return x + self.parts.mlp(self.parts.ln2(x))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_table = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.stack = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln_out = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.emb(idx) + self.pos_table[: idx.size(1)]
        return self.out(self.ln_out(self.stack(x)))
