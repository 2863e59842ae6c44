# verdict: fail
# part: CausalSelfAttention
# cause: merge-wrong
# style: loop over heads as column slices; results concatenated along time, then viewed back

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.project = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def one_head(self, q, k, v):
        T, d = q.shape[-2:]
        scores = q @ k.transpose(-2, -1) / math.sqrt(d)
        scores += torch.full((T, T), float("-inf"), device=q.device).triu(diagonal=1)
        return self.dropout(scores.softmax(-1)) @ v

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.num_heads
        q, k, v = self.query(x), self.key(x), self.value(x)
        outputs = []
        for h in range(self.num_heads):
            cols = slice(h * d, (h + 1) * d)
            outputs.append(self.one_head(q[..., cols], k[..., cols], v[..., cols]))
        y = torch.cat(outputs, dim=1).view(B, T, C)
        return self.dropout(self.project(y))


class MLP(nn.Module):
    """Position-wise feed-forward network: C -> 4C -> C."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden)
        self.fc2 = nn.Linear(hidden, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        h = F.gelu(self.fc1(x))
        return F.dropout(self.fc2(h), p=self.p, training=self.training)


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
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.te, self.pe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        mk = lambda: TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.bs = nn.Sequential(*[mk() for _ in range(num_layers)])
        self.ln, self.lm = nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.te(idx) + self.pe.weight[: idx.shape[1]]
        return self.lm(self.ln(self.bs(x)))
