import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.proj_in = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj_out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("tri", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        B, T, C = x.shape
        # out features are laid out (d, head, role): role changes fastest, d slowest
        z = self.proj_in(x).view(B, T, C // self.num_heads, self.num_heads, 3)
        q, k, v = z[..., 0], z[..., 1], z[..., 2]  # each (B, T, D, H)
        s = torch.einsum("btdh,bsdh->bhts", q, k) / (C // self.num_heads) ** 0.5
        s = s.masked_fill(~self.tri[:T, :T], float("-inf"))
        a = self.drop(F.softmax(s, dim=-1))
        y = torch.einsum("bhts,bsdh->btdh", a, v).reshape(B, T, C)
        return self.drop(self.proj_out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a = nn.Linear(embed_dim, 4 * embed_dim)
        self.b = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        u = self.a(x)
        phi = 0.5 * (1.0 + torch.erf(u * 0.7071067811865476))
        return self.drop(self.b(u * phi))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.subs = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sub in zip(self.norms, self.subs):
            x = x + sub(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.zeros(embed_dim, block_size))  # stored transposed
        nn.init.normal_(self.pos, std=0.01)
        self.stack = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.emb(idx) + self.pos[:, : idx.size(1)].t()
        for blk in self.stack:
            x = blk(x)
        return self.out(self.ln(x))
