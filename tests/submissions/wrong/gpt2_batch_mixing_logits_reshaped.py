# verdict: fail
# part: GPT2
# cause: batch-mixing
# style: flattens for the head and puts batch and time back in the wrong order
import math

import torch
from torch import Tensor, nn


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
        length = x.size(1)
        outputs = []
        qs = self.wq(x).chunk(self.num_heads, dim=-1)
        ks = self.wk(x).chunk(self.num_heads, dim=-1)
        vs = self.wv(x).chunk(self.num_heads, dim=-1)
        for q, k, v in zip(qs, ks, vs):
            s = q @ k.transpose(1, 2) / math.sqrt(q.size(-1)) + self.blocked[:length, :length]
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


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=num_heads, block_size=block_size, dropout_p=dropout_p
        )
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_mlp(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        B, T = idx.shape
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        logits = self.lm_head(x.reshape(B * T, -1))
        return logits.view(T, B, -1).transpose(0, 1)
