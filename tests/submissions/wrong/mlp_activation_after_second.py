# verdict: fail
# part: MLP
# cause: activation-after-second
# style: brackets closed in the wrong place, nested calls; Conv1D as in the original code
import math

import torch
import torch.nn.functional as F
from torch import nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_head = num_heads
        self.split_size = embed_dim
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "b", torch.ones(block_size, block_size, dtype=torch.bool).tril(), persistent=False
        )

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(v.size(-1))
        n = w.size(-1)
        w = w.masked_fill(~self.b[:n, :n], -1e9)
        w = self.attn_dropout(w.softmax(-1))
        return torch.matmul(w, v)

    def _heads(self, t):
        return t.view(*t.shape[:-1], self.n_head, t.size(-1) // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.c_attn(x).split(self.split_size, dim=2)
        a = self._attn(self._heads(q), self._heads(k), self._heads(v))
        a = a.permute(0, 2, 1, 3).reshape(x.shape)
        return self.resid_dropout(self.c_proj(a))


class MLP(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        inner = embed_dim * 4
        self.fc_1 = nn.Linear(embed_dim, inner)
        self.fc_2 = nn.Linear(inner, embed_dim)
        self.regularise = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.regularise(F.gelu(self.fc_2(self.fc_1(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_attn": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_mlp": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = self.parts
        x = x + p["attn"](p["ln_attn"](x))
        return x + p["mlp"](p["ln_mlp"](x))


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
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.W_U
