# verdict: fail
# part: GPT2
# cause: position-not-trainable
# style: the fixed sine and cosine table of the 2017 paper, kept as a buffer
import math

import torch
import torch.nn as nn


def sinusoidal_table(length, dim):
    position = torch.arange(length).float().unsqueeze(1)
    freq = torch.exp(-math.log(10000.0) * torch.arange(0, dim, 2).float() / dim)
    table = torch.zeros(length, dim)
    table[:, 0::2] = torch.sin(position * freq)
    table[:, 1::2] = torch.cos(position * freq)[:, : dim // 2]
    return table


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.register_buffer("positions", sinusoidal_table(block_size, embed_dim))
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.embed(idx) + self.positions[: idx.shape[1]]
        x = self.drop(x)
        for block in self.blocks:
            x = block(x)
        return self.unembed(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.scale = (embed_dim // num_heads) ** -0.5
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.p_attn = nn.Dropout(dropout_p)
        self.p_out = nn.Dropout(dropout_p)

    def forward(self, x):
        N, L, E = x.shape
        H = self.num_heads
        Dh = E // H
        q = self.query(x).view(N, L, H, Dh) * self.scale
        k, v = self.key_value(x).split(E, dim=-1)
        k = k.reshape(N, L, H, Dh)
        v = v.reshape(N, L, H, Dh)
        logits = torch.einsum("bihd,bjhd->bhij", q, k)
        pos = torch.arange(L, device=x.device)
        logits = logits.masked_fill(pos[None, :] > pos[:, None], float("-inf"))
        attn = self.p_attn(logits.softmax(dim=-1))
        mixed = torch.einsum("bhij,bjhd->bihd", attn, v).reshape(N, L, E)
        return self.p_out(self.output(mixed))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        a = self.lin_in(x)
        a = a * 0.5 * (1.0 + torch.erf(a / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.lin_out(a))
