# verdict: fail
# part: CausalSelfAttention
# cause: mask-wrong-sign
# style: additive buffer already holds -1e9 on the future and is subtracted instead of added

import math

import torch
import torch.nn.functional as F
from torch import nn


class MLP(nn.Module):
    # 1x1 convolutions over time do the same as a Linear at every position

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, kernel_size=1)
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = x.transpose(1, 2)  # (B, C, T)
        h = F.gelu(self.expand(h))
        h = self.contract(h).transpose(1, 2)
        return self.dropout(h)


class CausalSelfAttention(nn.Module):
    """Scaled dot-product attention with an additive causal mask."""

    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        mask = torch.zeros(block_size, block_size)
        mask = mask.masked_fill(torch.ones_like(mask).triu(1).bool(), -1e9)
        self.register_buffer("mask", mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, seq, dim = x.shape
        head_dim = dim // self.num_heads
        q = self.query(x).view(batch, seq, self.num_heads, head_dim).transpose(1, 2)
        k = self.key(x).view(batch, seq, self.num_heads, head_dim).transpose(1, 2)
        v = self.value(x).view(batch, seq, self.num_heads, head_dim).transpose(1, 2)
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(head_dim)
        scores = scores - self.mask[:seq, :seq]
        probs = self.dropout(torch.softmax(scores, dim=-1))
        context = torch.matmul(probs, v).transpose(1, 2).reshape(batch, seq, dim)
        return self.dropout(self.output(context))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_a": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_m": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        p = self.parts
        x = x + p["attn"](p["ln_a"](x))
        return x + p["mlp"](p["ln_m"](x))


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
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.register_buffer("positions", torch.arange(block_size), persistent=False)
        self.emb_dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_out = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        _, T = idx.shape
        h = self.emb_dropout(self.token_emb(idx) + self.pos_emb(self.positions[:T]))
        for blk in self.blocks:
            h = blk(h)
        h = self.ln_out(h)
        logits = self.unembed(h)  # (B, T, vocab_size)
        return logits
