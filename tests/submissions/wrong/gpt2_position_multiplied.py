# verdict: fail
# part: GPT2
# cause: position-multiplied
# style: token and position embeddings are multiplied
import math

import torch
from torch import nn


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
        b, t, _ = x.shape
        return x.view(b, t, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q = self._split(self.q_proj(x))
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        scores = torch.matmul(q, k.transpose(2, 3)) / self.head_dim**0.5
        ones = torch.ones(t, t, dtype=torch.bool, device=x.device)
        future = ones.triu(diagonal=1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        context = torch.matmul(self.dropout(weights), v)
        context = context.transpose(1, 2).reshape(b, t, c)
        return self.out_proj(context)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        a = self.lin_in(x)
        a = a * 0.5 * (1.0 + torch.erf(a / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.lin_out(a))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        position_ids = torch.arange(idx.shape[1], device=idx.device).unsqueeze(0)
        hidden = self.word_embeddings(idx) * self.position_embeddings(position_ids)
        hidden = self.dropout(hidden)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.lm_head(self.layer_norm(hidden))
