# verdict: fail
# part: TransformerBlock
# cause: post-norm
# style: the 2017 order: norm of the sum; q alone and kv together, additive mask
import math

import torch
from torch import nn


def init_weights(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def gelu(z):
    return z * 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))


class CausalSelfAttention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.kv_proj = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.proj = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, n, c = x.shape
        d = c // self.heads
        q = self.q_proj(x).reshape(b, n, self.heads, d).movedim(2, 1)
        k, v = self.kv_proj(x).reshape(b, n, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(2, 3)) / d**0.5
        neg = torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        attn = self.dropout(torch.softmax(dots + neg, dim=3))
        out = torch.matmul(attn, v).movedim(1, 2).reshape(b, n, c)
        return self.proj(out)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin1 = nn.Linear(embed_dim, embed_dim * 4)
        self.lin2 = nn.Linear(embed_dim * 4, embed_dim)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x):
        x = self.lin1(x)
        x = gelu(x)
        x = self.lin2(x)
        return self.dropout(x)


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln1 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)

    def forward(self, x):
        x = self.ln1(x + self.attn(x))
        x = self.ln2(x + self.mlp(x))
        return x


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList()
        for _ in range(num_layers):
            self.h.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying
        self.apply(init_weights)

    def forward(self, idx):
        T = idx.size(1)
        assert T <= self.block_size, "sequence longer than block_size"
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))[None]
        for blk in self.h:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
