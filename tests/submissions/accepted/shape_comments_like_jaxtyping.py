# verdict: pass
# style: jaxtyping-like comments, Float[Tensor, "b t c"], on every line, and aliases for the hints
from typing import TypeAlias

import torch
import torch.nn as nn
from torch import Tensor

BTC: TypeAlias = Tensor  # Float[Tensor, "b t c"]
BHTD: TypeAlias = Tensor  # Float[Tensor, "b h t d"]
BHTT: TypeAlias = Tensor  # Float[Tensor, "b h t t"]
BT: TypeAlias = Tensor  # Int[Tensor, "b t"]
BTV: TypeAlias = Tensor  # Float[Tensor, "b t v"]


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.h: int = num_heads
        self.d: int = embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)  # Float["3c c"], Float["3c"]
        self.out = nn.Linear(embed_dim, embed_dim)  # Float["c c"], Float["c"]
        self.drop_attn = nn.Dropout(dropout_p)
        self.drop_out = nn.Dropout(dropout_p)
        tri = torch.tril(torch.ones(block_size, block_size, dtype=torch.bool))
        self.register_buffer("tri", tri)  # Bool["n n"]

    def forward(self, x: BTC) -> BTC:
        b, t, c = x.shape
        q, k, v = self.qkv(x).split(c, dim=-1)  # 3 x Float["b t c"]
        q, k, v = self.split(q), self.split(k), self.split(v)  # 3 x Float["b h t d"]
        s: BHTT = torch.einsum("bhid,bhjd->bhij", q, k)  # Float["b h t t"]
        s = s / self.d**0.5  # Float["b h t t"]
        s = torch.where(self.tri[:t, :t], s, -torch.inf)  # Float["b h t t"]
        a: BHTT = self.drop_attn(s.softmax(dim=-1))  # Float["b h t t"], rows sum to 1
        y: BHTD = torch.einsum("bhij,bhjd->bhid", a, v)  # Float["b h t d"]
        return self.drop_out(self.out(self.merge(y)))  # Float["b t c"]

    def split(self, x: BTC) -> BHTD:
        return x.unflatten(-1, (self.h, self.d)).transpose(1, 2)

    def merge(self, x: BHTD) -> BTC:
        return x.transpose(1, 2).flatten(-2, -1)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)  # Float["4c c"], Float["4c"]
        self.act = nn.GELU()
        self.down = nn.Linear(4 * embed_dim, embed_dim)  # Float["c 4c"], Float["c"]
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: BTC) -> BTC:
        x = self.up(x)  # Float["b t 4c"]
        x = self.act(x)  # Float["b t 4c"]
        x = self.down(x)  # Float["b t c"]
        return self.drop(x)  # Float["b t c"]


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)  # Float["c"], Float["c"]
        self.ln2 = nn.LayerNorm(embed_dim)  # Float["c"], Float["c"]
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: BTC) -> BTC:
        x = x + self.attn(self.ln1(x))  # Float["b t c"]
        x = x + self.mlp(self.ln2(x))  # Float["b t c"]
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
        self.tok = nn.Embedding(vocab_size, embed_dim)  # Float["v c"]
        self.pos = nn.Embedding(block_size, embed_dim)  # Float["n c"]
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)  # Float["c"], Float["c"]
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)  # Float["v c"]

    def forward(self, idx: BT) -> BTV:
        pos = torch.arange(idx.shape[1], device=idx.device)  # Int["t"]
        x: BTC = self.tok(idx) + self.pos(pos)  # Float["b t c"] + Float["t c"]
        x = self.drop(x)  # Float["b t c"]
        for block in self.blocks:
            x = block(x)  # Float["b t c"]
        return self.head(self.ln(x))  # Float["b t v"]
