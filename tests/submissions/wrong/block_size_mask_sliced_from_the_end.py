# verdict: fail
# part: CausalSelfAttention
# cause: block-size-mask-fixed
# style: takes the last T rows of the mask with the first T columns: right only at T == block_size

"""A small GPT-2: attention, MLP, block, model."""

import torch
import torch.nn.functional as F
from torch import nn


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


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.w1 = nn.Parameter(torch.empty(C, 4 * C).normal_(std=0.02))
        self.b1 = nn.Parameter(torch.zeros(4 * C))
        self.w2 = nn.Parameter(torch.empty(4 * C, C).normal_(std=0.02))
        self.b2 = nn.Parameter(torch.zeros(C))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(F.gelu(x @ self.w1 + self.b1) @ self.w2 + self.b2)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.proj_in = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj_out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        allowed = torch.ones(block_size, block_size, dtype=torch.bool).tril()
        self.register_buffer("allowed", allowed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        D = C // self.num_heads
        q, k, v = self.proj_in(x).split(C, dim=-1)
        q = q.view(B, T, self.num_heads, D).transpose(1, 2)  # (B, H, T, D)
        k = k.view(B, T, self.num_heads, D).permute(0, 2, 3, 1)  # (B, H, D, T)
        v = v.view(B, T, self.num_heads, D).transpose(1, 2)  # (B, H, T, D)
        att = (q @ k) * D**-0.5
        mask = self.allowed[-T:, :T]
        att = att.masked_fill(~mask, float("-inf"))
        y = self.drop(att.softmax(-1)) @ v
        y = y.transpose(1, 2).flatten(2)
        return self.drop(self.proj_out(y))


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
