# verdict: pass
# style: SDPA with an explicit boolean 4-D attn_mask and its scale argument
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Uses the ``scale=`` keyword of SDPA: 1 there, because q already carries 1/sqrt(d)."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        keep = torch.ones(1, 1, block_size, block_size).tril() > 0
        self.register_buffer("keep", keep, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, time, chan = x.shape
        d = chan // self.num_heads
        q = (self.query(x) / math.sqrt(d)).reshape(batch, time, self.num_heads, d)
        k, v = self.key_value(x).chunk(2, dim=-1)
        k = k.reshape(batch, time, self.num_heads, d)
        v = v.reshape(batch, time, self.num_heads, d)
        y = F.scaled_dot_product_attention(
            q.permute(0, 2, 1, 3),
            k.permute(0, 2, 1, 3),
            v.permute(0, 2, 1, 3),
            attn_mask=self.keep[..., :time, :time],
            dropout_p=self.dropout_p if self.training else 0.0,
            scale=1.0,
        )
        y = self.output(y.permute(0, 2, 1, 3).flatten(-2))
        return F.dropout(y, p=self.dropout_p, training=self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        hidden = embed_dim << 2
        self.inp = nn.Linear(embed_dim, hidden)
        self.out = nn.Linear(hidden, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.out(F.gelu(self.inp(x))), self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.mlp = MLP(embed_dim, dropout_p)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.attn_norm = nn.LayerNorm(embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attn(self.attn_norm(x))
        return h + self.mlp(self.mlp_norm(h))


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
        self.head = nn.Linear(embed_dim, vocab_size, bias=True)
        self.norm = nn.LayerNorm(embed_dim)
        self.trunk = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.position = nn.Embedding(block_size, embed_dim)
        self.token = nn.Embedding(vocab_size, embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        where = torch.arange(idx.size(1), device=idx.device)[None].repeat(idx.size(0), 1)
        h = self.token(idx) + self.position(where)
        for block in self.trunk:
            h = block(h)
        return self.head(self.norm(h))
