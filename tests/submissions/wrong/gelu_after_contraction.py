# verdict: fail
# part: MLP
# cause: activation-after-second
# style: gelu(fc2(fc1(x))), brackets in the wrong place; prefix-loop attention
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout_p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.H, C // self.H).unbind(2)
        rows = []
        for t in range(T):  # prefix by prefix
            s = (k[:, : t + 1] * q[:, t, None]).sum(-1) * (C // self.H) ** -0.5
            e = torch.exp(s - s.amax(1, keepdim=True))
            rows.append((e.unsqueeze(-1) * v[:, : t + 1]).sum(1) / e.sum(1).unsqueeze(-1))
        y = self.out(torch.stack(rows, 1).flatten(2))
        return F.dropout(y, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        y = F.gelu(self.fc2(self.fc1(x)))
        return F.dropout(y, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.a = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.m = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        x = x + self.a(x)
        return x + self.m(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.f = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        return self.f(self.h(self.wte(idx) + self.wpe.weight[None, : idx.size(1)]))
