# verdict: fail
# part: CausalSelfAttention
# cause: no-out-proj
# style: nanoGPT look: c_proj is made in __init__ and never called

import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.c_attn = nn.Linear(embed_dim, 3 * embed_dim)
        self.c_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self.n_head, self.n_embd = num_heads, embed_dim
        self.register_buffer("bias", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * k.size(-1) ** -0.5
        att = att.masked_fill(self.bias[:T, :T] == 0, float("-inf"))
        y = self.attn_dropout(att.softmax(dim=-1)) @ v
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        y = self.resid_dropout(y)
        return y


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w_out = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.w_in(x)
        h = 0.5 * h * (1.0 + torch.erf(h / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.w_out(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.att = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.att(self.n1(x))
        return x + self.ff(self.n2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln = nn.LayerNorm(embed_dim)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, idx):
        positions = torch.arange(idx.shape[-1], device=idx.device)
        x = self.embed(idx) + self.pos_embed(positions)
        for layer in self.layers:
            x = layer(x)
        # the output matrix is the token embedding
        return self.ln(x) @ self.embed.weight.T
