# verdict: fail
# part: GPT2
# cause: block-size-mask-fixed
# style: pads to block_size and returns the logits of the padding too
import math

import torch
import torch.nn.functional as F
from torch import nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.register_buffer("pos", torch.arange(block_size))
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        # the model always works on full blocks
        idx = F.pad(idx, (0, self.block_size - T), value=0)
        x = self.wte(idx) + self.wpe(self.pos)
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=num_heads, block_size=block_size, dropout_p=dropout_p
        )
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_mlp(x))


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(gelu(self.up(x))))


class CausalSelfAttention(nn.Module):
    """Multi-head masked self-attention, one projection per role."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        bsz, seq_len, _ = x.shape
        return x.view(bsz, seq_len, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bsz, seq_len, dim = x.shape
        q = self._split(self.q_proj(x))
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        scores = torch.matmul(q, k.transpose(2, 3)) / self.head_dim**0.5
        ones = torch.ones(seq_len, seq_len, dtype=torch.bool, device=x.device)
        future = ones.triu(diagonal=1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        context = torch.matmul(self.dropout(weights), v)
        context = context.transpose(1, 2).reshape(bsz, seq_len, dim)
        return self.out_proj(context)
