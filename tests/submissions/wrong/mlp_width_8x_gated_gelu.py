# verdict: fail
# part: MLP
# cause: width-8x
# style: GEGLU out of habit: 8C in, half of it a gate; one query at a time, no mask needed
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.lin = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        b, n, c = x.shape
        d = c // self.num_heads
        q, k, v = (
            t.view(b, n, self.num_heads, d).transpose(1, 2)
            for t in self.lin(x).tensor_split(3, dim=-1)
        )
        rows = []
        for t in range(n):
            # position t looks at 0..t only
            s = (k[:, :, : t + 1] @ q[:, :, t].unsqueeze(-1)).squeeze(-1) / math.sqrt(d)
            p = self.drop(s.softmax(-1))
            rows.append((p.unsqueeze(-2) @ v[:, :, : t + 1]).reshape(b, c))
        return self.out(torch.stack(rows, dim=1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.proj_in = nn.Linear(embed_dim, 8 * embed_dim)
        self.proj_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h, gate = self.proj_in(x).chunk(2, dim=-1)
        return self.dropout(self.proj_out(h * F.gelu(gate)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.dim = embed_dim
        self.gain_a = nn.Parameter(torch.ones(embed_dim))
        self.shift_a = nn.Parameter(torch.zeros(embed_dim))
        self.gain_m = nn.Parameter(torch.ones(embed_dim))
        self.shift_m = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(F.layer_norm(x, (self.dim,), self.gain_a, self.shift_a))
        return x + self.mlp(F.layer_norm(x, (self.dim,), self.gain_m, self.shift_m))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.word_embeddings(idx) + self.position_embeddings(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
