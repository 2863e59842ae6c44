# verdict: fail
# part: TransformerBlock
# cause: residual-from-normed
# style: only the MLP half adds to the normed stream; one query at a time, no mask needed
import functools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        d = c // self.num_heads
        q, k, v = (
            t.view(b, n, self.num_heads, d).transpose(1, 2)
            for t in self.qkv(x).tensor_split(3, dim=-1)
        )
        rows = []
        for t in range(n):
            # position t looks at 0..t only
            s = (k[:, :, : t + 1] @ q[:, :, t].unsqueeze(-1)).squeeze(-1) / math.sqrt(d)
            p = self.drop(s.softmax(-1))
            rows.append((p.unsqueeze(-2) @ v[:, :, : t + 1]).reshape(b, c))
        return self.proj(torch.stack(rows, dim=1))


class MLP(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = [embed_dim, 4 * embed_dim, embed_dim]
        self.stages = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.stages
        return self.dropout(second(F.gelu(first(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        x = self.ln_2(x)
        return x + self.mlp(x)


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

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = functools.reduce(lambda h, layer: layer(h), self.blocks, self.embed(idx))
        return self.unembed(self.ln_f(x))
