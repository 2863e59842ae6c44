# verdict: fail
# part: CausalSelfAttention
# cause: softmax-over-heads
# style: softmax(dim=1) on (B, H, T, T) after -inf filling, which gives NaN for T > 1

"""GPT-2 from scratch, the minimum that matters."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn_in = nn.Linear(embed_dim, 3 * embed_dim)
        self.attn_out = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.n_heads = num_heads

    def forward(self, x):
        B, T, C = x.shape
        head_dim = C // self.n_heads

        qkv = self.attn_in(x)
        q, k, v = qkv[..., :C], qkv[..., C : 2 * C], qkv[..., 2 * C :]
        q = q.reshape(B, T, self.n_heads, head_dim).transpose(1, 2)
        k = k.reshape(B, T, self.n_heads, head_dim).transpose(1, 2)
        v = v.reshape(B, T, self.n_heads, head_dim).transpose(1, 2)

        scores = q @ k.transpose(-1, -2) / math.sqrt(head_dim)
        neg_inf = torch.full_like(scores, float("-inf"))
        causal = torch.tril(torch.ones(T, T, device=x.device)).bool()
        scores = torch.where(causal, scores, neg_inf)
        probs = F.softmax(scores, dim=1)
        probs = self.attn_drop(probs)

        out = (probs @ v).transpose(1, 2).reshape(B, T, C)
        return self.attn_out(out)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        return self.dropout(x)


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
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying

    def forward(self, idx):
        B, T = idx.shape
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
