# verdict: fail
# part: CausalSelfAttention
# cause: softmax-before-scale
# style: softmax on the raw scores and only then the division by sqrt(head_dim)

import math

import torch
from torch import nn


def gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


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


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = LayerNorm(embed_dim)
        self.ln2 = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, embed_dim * 4)
        self.down = nn.Linear(embed_dim * 4, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(gelu(self.up(x))))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.c_attn = nn.Linear(embed_dim, 3 * embed_dim)
        self.c_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("tri", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        d_k = C // self.num_heads
        q, k, v = map(
            lambda t: t.view(B, T, self.num_heads, d_k).transpose(1, 2),
            self.c_attn(x).chunk(3, dim=-1),
        )
        scores = q @ k.transpose(-2, -1)
        scores = torch.where(self.tri[:T, :T], scores, float("-inf"))
        attn = torch.softmax(scores, dim=-1) / math.sqrt(d_k)
        attn = self.dropout(attn)
        y = (attn @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.dropout(self.c_proj(y))
