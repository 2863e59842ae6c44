# verdict: fail
# part: GPT2
# cause: state-kept-between-calls
# style: looks the position vectors up once and keeps them, blind to later weight updates
import math

import torch
from torch import nn


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
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)
        self._positions = None

    def _position_vectors(self, length: int, device: torch.device) -> torch.Tensor:
        if self._positions is None:
            self._positions = self.wpe(torch.arange(self.block_size, device=device))
        return self._positions[:length]

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx) + self._position_vectors(idx.size(1), idx.device)
        x = self.drop(x)
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


class CausalSelfAttention(nn.Module):
    """Simple version: loop over the heads, slices of the projected vectors."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        blocked = torch.full((block_size, block_size), float("-inf")).triu(diagonal=1)
        self.register_buffer("blocked", blocked)

    def forward(self, x):
        t = x.size(1)
        outputs = []
        qs = self.wq(x).chunk(self.num_heads, dim=-1)
        ks = self.wk(x).chunk(self.num_heads, dim=-1)
        vs = self.wv(x).chunk(self.num_heads, dim=-1)
        for q, k, v in zip(qs, ks, vs):
            s = q @ k.transpose(1, 2) / math.sqrt(q.size(-1)) + self.blocked[:t, :t]
            p = self.dropout(torch.softmax(s, dim=-1))
            outputs.append(p @ v)
        return self.wo(torch.cat(outputs, dim=-1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        x = self.dropout(x)
        return x
