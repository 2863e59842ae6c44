# verdict: fail
# part: CausalSelfAttention
# cause: no-scale
# style: separate Linears named to_q, to_k, to_v, tril buffer, no scale at all

# GPT-2 from scratch

import torch
import torch.nn as nn
import torch.nn.functional as F


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        blocks = []
        for i in range(num_layers):
            blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.blocks = nn.ModuleList(blocks)
        self.ln_f = LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        tok = self.wte(idx)  # (B, T, C)
        pos = self.wpe(torch.arange(T, device=idx.device))  # (T, C)
        x = tok + pos.unsqueeze(0).expand(B, -1, -1)
        for blk in self.blocks:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.dim = embed_dim
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = F.layer_norm(x, (self.dim,), self.g1, self.b1)
        x = x + self.sa(h)
        h = F.layer_norm(x, (self.dim,), self.g2, self.b2)
        x = x + self.ff(h)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.h = num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)).bool())

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = [
            f(x).reshape(b, t, self.h, c // self.h).permute(0, 2, 1, 3)
            for f in (self.to_q, self.to_k, self.to_v)
        ]
        sim = q @ k.mT
        sim = sim.masked_fill(~self.tril[:t, :t], float("-inf"))
        attn = self.drop(sim.softmax(dim=-1))
        out = (attn @ v).permute(0, 2, 1, 3).reshape(b, t, c)
        return self.drop(self.to_out(out))


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
