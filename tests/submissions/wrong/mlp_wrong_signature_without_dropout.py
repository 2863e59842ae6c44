# verdict: fail
# part: MLP
# cause: wrong-signature
# style: takes no dropout_p; the block drops out after it; bare Parameters and the @ operator
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def init_weights(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(self, embed_dim):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.Wa = nn.Parameter(0.02 * torch.randn(embed_dim, 3 * embed_dim))
        self.ba = nn.Parameter(torch.zeros(3 * embed_dim))
        self.Wp = nn.Parameter(0.02 * torch.randn(embed_dim, embed_dim))
        self.bp = nn.Parameter(torch.zeros(embed_dim))
        self.num_heads = num_heads
        self.rate = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = torch.chunk(x @ self.Wa + self.ba, 3, dim=-1)
        q = q.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        k = k.reshape(B, T, self.num_heads, D).permute(0, 2, 3, 1)
        v = v.reshape(B, T, self.num_heads, D).permute(0, 2, 1, 3)
        a = q @ k / math.sqrt(D)
        a = a + torch.triu(torch.full_like(a, -1e9), diagonal=1)
        a = F.dropout(torch.softmax(a, dim=-1), self.rate, training=self.training)
        return (a @ v).permute(0, 2, 1, 3).reshape(B, T, C) @ self.Wp + self.bp


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim)
        self.resid_drop = nn.Dropout(dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.resid_drop(self.mlp(self.ln_2(x)))


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying
        self.apply(init_weights)

    def forward(self, idx):
        T = idx.size(1)
        assert T <= self.block_size, "sequence longer than block_size"
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))[None]
        for blk in self.blocks:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
