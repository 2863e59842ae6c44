# verdict: fail
# part: CausalSelfAttention
# cause: mask-off-by-one
# style: maskless loop over queries whose slice of keys ends at t + 2 instead of t + 1
import torch
import torch.nn as nn
from torch.nn.functional import gelu, softmax


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_kv = nn.Linear(embed_dim, 2 * embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, n, c = x.shape
        q = self.to_q(x).view(b, n, self.heads, -1)
        k, v = (z.view(b, n, self.heads, -1) for z in self.to_kv(x).chunk(2, dim=-1))
        rows = []
        for t in range(n):
            seen = slice(0, t + 2)  # up to and including t
            sim = torch.einsum("bhd,bshd->bhs", q[:, t], k[:, seen]) / q.size(-1) ** 0.5
            rows.append(torch.einsum("bhs,bshd->bhd", softmax(sim, dim=-1), v[:, seen]))
        y = torch.stack(rows, dim=1).reshape(b, n, c)
        return self.dropout(self.to_out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.w_out(gelu(self.w_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.fns = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, fn in zip(self.norms, self.fns):
            x = x + fn(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.layers = nn.Sequential()
        for i in range(num_layers):
            self.layers.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.to_logits = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        x = self.token_emb(idx) + self.pos_emb(torch.arange(idx.size(1), device=idx.device))
        return self.to_logits(self.layers(x))
