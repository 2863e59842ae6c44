# verdict: fail
# part: TransformerBlock
# cause: rmsnorm
# style: nn.RMSNorm, as in Llama; 1x1 convolutions, channels first
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.groups = num_heads
        self.pointwise_in = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.pointwise_out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        z = self.pointwise_in(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.drop(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.drop(self.pointwise_out(y)).transpose(1, 2)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        sizes = [embed_dim, 4 * embed_dim, embed_dim]
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        first, second = self.linears
        return self.dropout(second(F.gelu(first(x))))


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention_norm = nn.RMSNorm(embed_dim, eps=1e-5)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn_norm = nn.RMSNorm(embed_dim, eps=1e-5)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = x + self.attention(self.attention_norm(x))
        return h + self.feed_forward(self.ffn_norm(h))


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = F.embedding(idx, self.E) + self.P[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.E)  # the head shares the embedding matrix
